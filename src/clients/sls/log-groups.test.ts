import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { encodeLogGroup, encodeLogGroupList, type PlainLogGroup } from '../../testkit/emulators/sls/log-group.ts'
import { LogLines } from './log-lines.ts'
import { LogReader } from './log-reader.ts'
import { SLACK_BYTES } from './pulled-logs.ts'

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((one) => one.isWellFormed())
const key = fc.oneof(
  fc.constantFrom('a', 'b', 'level', 'quote"', 'line\n', ''),
  text,
  fc.string({ minLength: 130, maxLength: 140 }),
)
const value = fc.oneof(
  text,
  fc.string({ minLength: 120, maxLength: 300 }),
  fc.constantFrom('', '"', '\\', '\u0000', 'x\u2028y'),
)
const pairs = fc.array(fc.tuple(key, value), { maxLength: 8 })
const log = fc.record({
  time: fc.nat({ max: 0xffff_ffff }),
  contents: pairs,
  timeNs: fc.option(fc.nat({ max: 999_999_999 }), { nil: 0 }),
})
const group = fc.record({ topic: text, source: text, tags: pairs, logs: fc.array(log, { maxLength: 5 }) })
const groups = fc.array(group, { maxLength: 5 })

function readerOf(list: Uint8Array, count: number): LogReader {
  const bytes = Buffer.alloc(list.length + SLACK_BYTES, 0x31)
  bytes.set(list)
  const reader = new LogReader()
  reader.load(bytes, list.length, count)
  return reader
}

function encoded(all: readonly PlainLogGroup[]): Buffer {
  return encodeLogGroupList(all.map(encodeLogGroup))
}

/** Everything that a reader says of its logs. */
function readAll(reader: LogReader): unknown[] {
  const at = (from: number, to: number): string => reader.bytes.toString('utf8', from, to)
  const read: unknown[] = []
  for (; reader.hasLog; reader.next()) {
    // Asking for what belongs to the group leaves the log as it was.
    const { group: groupIndex, log: index, time, timeNs, topic, source, tags } = reader
    const contents = Array.from({ length: reader.contents }, (_, index) => [
      at(reader.keyStarts[index] ?? 0, reader.keyEnds[index] ?? 0),
      at(reader.valueStarts[index] ?? 0, reader.valueEnds[index] ?? 0),
    ])
    const texts = tags.map(({ from, to }) => at(from, to))
    read.push({
      place: [groupIndex, index],
      moment: [time, timeNs],
      contents,
      topic: at(topic.from, topic.to),
      source: at(source.from, source.to),
      tags: texts,
    })
  }
  return read
}

function expected(all: readonly PlainLogGroup[]): unknown[] {
  return all.flatMap(({ logs, topic, source, tags = [] }, groupIndex) =>
    logs.map(({ time, timeNs, contents }, index) => ({
      place: [groupIndex, index],
      moment: [time, timeNs ?? 0],
      contents: contents.map((pair) => [...pair]),
      topic,
      source,
      tags: tags.flat(),
    })),
  )
}

function linesOf(reader: LogReader, bufferBytes = 1 << 20): string[] {
  const lines = new LogLines()
  const written: string[] = []
  while (reader.hasLog) {
    const size = Math.max(bufferBytes, LogLines.bytesMax(reader) + 1)
    const target = { buffer: Buffer.alloc(size), ends: new Uint32Array(3), separator: 0x0a, rows: 0, length: 0 }
    lines.write(reader, target, Infinity)
    assert.ok(target.rows > 0, 'each turn writes something')
    const part = target.buffer.toString('utf8', 0, target.length)
    assert.ok(part.endsWith('\n'))
    const split = part.slice(0, -1).split('\n')
    assert.equal(split.length, target.rows)
    written.push(...split)
  }
  return written
}

suite('log groups', () => {
  test('come out as they went in', () => {
    fc.assert(
      fc.property(groups, (all) => {
        assert.deepEqual(readAll(readerOf(encoded(all), all.length)), expected(all))
      }),
    )
  })

  test('can be read from any log on', () => {
    fc.assert(
      fc.property(groups, fc.nat({ max: 5 }), fc.nat({ max: 5 }), (all, from, index) => {
        const reader = readerOf(encoded(all), all.length)
        reader.seek(from, index)
        const rest = expected(all).filter((one) => {
          const [g = 0, l = 0] = (one as { place: number[] }).place
          return g > from || (g === from && l >= index)
        })
        assert.deepEqual(readAll(reader), rest)
      }),
    )
  })

  test('become one JSON line each, whose values are the texts; of equal keys the last one counts', () => {
    fc.assert(
      fc.property(groups, fc.constantFrom(64, 1 << 20), (all, bufferBytes) => {
        const lines = linesOf(readerOf(encoded(all), all.length), bufferBytes)
        const logs = all.flatMap(({ logs }) => logs)
        assert.equal(lines.length, logs.length)
        lines.forEach((line, row) => {
          const parsed = JSON.parse(line) as Record<string, string>
          assert.deepEqual(new Map(Object.entries(parsed)), new Map(logs[row]?.contents))
        })
      }),
    )
  })

  test('with fields in another order, unknown fields and long numbers read the same', () => {
    const content = Buffer.from([0x12, 1, 0x76, 0x0a, 1, 0x6b, 0x18, 5])
    const log = Buffer.from([0x12, content.length, ...content, 0x1a, 2, 9, 9, 0x25, 7, 0, 0, 0, 0x08, 0x81, 0x80, 0x00])
    const made = Buffer.from([0x1a, 1, 0x74, 0x3a, 1, 0xff, 0x0a, log.length, ...log, 0x22, 1, 0x73])
    const list = Buffer.from([0x10, 1, 0x0a, made.length, ...made])
    const reader = readerOf(list, 1)
    assert.deepEqual(readAll(reader), [
      { place: [0, 0], moment: [1, 7], contents: [['k', 'v']], topic: 't', source: 's', tags: [] },
    ])
  })

  test('a content whose tag has more bytes than it needs is refused, not passed over', () => {
    const content = [0x0a, 1, 0x6b, 0x12, 1, 0x76]
    const log = [0x08, 1, 0x92, 0x00, content.length, ...content]
    assert.throws(() => readerOf(Buffer.from([0x0a, log.length + 2, 0x0a, log.length, ...log]), 1), RangeError)
  })

  test('more keys than are remembered are written all the same', () => {
    const contents = Array.from({ length: 5000 }, (_, index): [string, string] => [`key ${index}`, String(index)])
    const twice: [string, string][] = [...contents, ['key 4999', 'last'], ['key 1', 'last']]
    const [line = ''] = linesOf(readerOf(encoded([{ logs: [{ time: 1, contents: twice }] }]), 1))
    const parsed = JSON.parse(line) as Record<string, string>
    assert.deepEqual(
      [Object.keys(parsed).length, parsed['key 4999'], parsed['key 1'], parsed['key 2']],
      [5000, 'last', 'last', '2'],
    )
    assert.equal(line.match(/"key 4999":/g)?.length, 1)
  })

  test('lists that break off, or hold another number of groups, are refused', () => {
    fc.assert(
      fc.property(
        groups.filter((all) => all.length > 0),
        fc.nat(),
        (all, where) => {
          const list = encoded(all)
          const cut = list.subarray(0, where % list.length)
          assert.throws(() => readerOf(cut, all.length), RangeError)
          assert.throws(() => readerOf(list, all.length + 1), RangeError)
        },
      ),
    )
  })

  test('random bytes are read without harm or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: 3 }), (bytes, count) => {
        try {
          readAll(readerOf(bytes, count))
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })
})
