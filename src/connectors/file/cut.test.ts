import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { splitCsvRecord } from './csv-record.ts'
import { cutCsvRecords } from './cut-csv.ts'
import { cutJsonLines, type Cut, type CutPlace, type CutRequest } from './cut-lines.ts'
import { DiskPlace } from './disk-place.ts'
import { lineRanges } from './line-ranges.ts'

const place: CutPlace = { path: 'a.csv', offset: 0 }
const marks = { delimiter: 0x2c, quote: 0x22 }

/** Cuts `data` in two pieces, as when a read ends at byte `at`. */
function cutAt(data: Buffer, at: number, cut: (request: CutRequest) => Cut): string[] {
  const records: string[] = []
  const take = (bytes: Buffer, isEnd: boolean): Buffer => {
    const buffer = Buffer.concat([bytes, Buffer.alloc(1)])
    const ends: number[] = []
    const done = cut({ buffer, filled: bytes.length, isEnd, rowsMax: 1000, separator: 0x0a, ends })
    ends.forEach((end, index) =>
      records.push(buffer.toString('utf8', index === 0 ? 0 : (ends[index - 1] ?? 0) + 1, end)),
    )
    return bytes.subarray(done.consumed)
  }
  const rest = take(data.subarray(0, at), false)
  assert.equal(take(Buffer.concat([rest, data.subarray(at)]), true).length, 0)
  return records
}

test('a CSV text cut at any byte gives the same records', () => {
  const records = ['1,"a\nb",x', '"q""q",2,', '"","\r\n",""', 'ü,"ö\n""\n",5" pipe', 'a"b"c,"",x']
  for (const lineEnd of ['\n', '\r\n']) {
    const data = Buffer.from(records.join(lineEnd))
    for (let at = 0; at <= data.length; at++) {
      const cut = cutAt(data, at, (request) => cutCsvRecords(request, marks, place))
      assert.deepEqual(cut, records, `cut at ${at}`)
    }
  }
})

test('CSV fields written with quotes come back as records of the same fields', () => {
  const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'é', ' '), maxLength: 6 })
  const row = fc.array(field, { minLength: 2, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(row, { maxLength: 10 }), fc.nat(), (rows, seed) => {
      const write = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
      const data = Buffer.from(rows.map((fields) => fields.map(write).join(',')).join('\n'))
      const records = cutAt(data, seed % (data.length + 1), (request) => cutCsvRecords(request, marks, place))
      const dialect = { delimiter: ',', quote: '"', header: false, null: '' }
      assert.deepEqual(
        records.map((record) => splitCsvRecord(record, dialect)?.map(({ text }) => text)),
        rows,
      )
    }),
  )
})

test('refuses text behind a closing quote and a file that ends inside quotes', () => {
  for (const text of ['1,"a"b\n', '1,"a']) {
    assert.throws(() => cutAt(Buffer.from(text), 0, (request) => cutCsvRecords(request, marks, place)), /byte 0/)
  }
})

test('JSON lines cut at any byte give the same records', () => {
  const data = Buffer.from('{"a":1}\n\n\n{"ü":"\\n"}\n   \n{}')
  for (let at = 0; at <= data.length; at++) {
    assert.deepEqual(
      cutAt(data, at, (request) => cutJsonLines(request, place)),
      ['{"a":1}', '{"ü":"\\n"}', '{}'],
    )
  }
})

test('ranges of a large file begin at line starts and cover it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-ranges-'))
  try {
    const path = join(directory, 'a.json')
    const text = Array.from({ length: 5000 }, (_, index) => `{"a":"${'x'.repeat(index % 400)}"}\n`).join('')
    await writeFile(path, text)
    const place = new DiskPlace(path, directory)
    for (const rangeBytes of [1000, 4096, 100_000, 10_000_000]) {
      const spec = await place.describe({ name: path, path })
      const ranges = await lineRanges(path, text.length, () => place.open(spec, true), rangeBytes)
      let next = 0
      for (const { start, end } of ranges) {
        assert.equal(start, next)
        assert.ok(start === 0 || text[start - 1] === '\n')
        next = end
      }
      assert.equal(next, text.length)
      assert.equal(ranges.length > 1, 2 * rangeBytes <= text.length)
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})
