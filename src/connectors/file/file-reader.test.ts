import assert from 'node:assert/strict'
import { appendFile, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { MillraceError } from '../../core/errors.ts'
import type { SplitReader } from '../../core/source.ts'
import { testSourceContext } from '../../testkit/lane-context.ts'
import { readSplits, recordsOf } from '../../testkit/read-splits.ts'
import { openSourceFiles } from '../../testkit/source-files.ts'

function failsWith(code: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof MillraceError && thrown.code === code
}

test('reads the lines of a file, without blank ones, with and without a last line feed', async () => {
  await using files = await openSourceFiles()
  await files.write('a.ndjson', '\ufeff{"a":1}\r\n\n  \n{"a":2}\n \t{"a":3}')
  const records = await files.readAll({ path: 'a.ndjson' })
  assert.deepEqual(
    records.map((record) => record.trim()),
    ['{"a":1}', '{"a":2}', '{"a":3}'],
  )
})

test('separates records with a comma where the sink wants that', async () => {
  await using files = await openSourceFiles()
  await files.write('a.ndjson', '{"a":[1,2]}\n{"a":2}\n')
  const reader = files.reader({ path: 'a.ndjson' }, { format: { kind: 'bytes', format: 'json', separator: 0x2c } })
  const texts: string[] = []
  await readSplits(reader, await files.discover({ path: 'a.ndjson' }), 1, (batch) => {
    if (batch.body.kind === 'bytes') texts.push(batch.body.buffer.toString('utf8', 0, batch.body.length))
    return []
  })
  assert.deepEqual(texts, ['{"a":[1,2]},{"a":2},'])
})

test('finds files by directory and glob, and leaves hidden ones out', async () => {
  await using files = await openSourceFiles()
  for (const name of ['d/1.json', 'd/e/2.json', 'd/.millrace/3.json', 'd/_temporary/4.json', 'd/5.txt']) {
    await files.write(name, '{}\n')
  }
  const names = async (path: string): Promise<string[]> =>
    (await files.discover({ path, format: 'json' })).map(({ split }) => split)
  assert.deepEqual(await names('d'), ['d/1.json', 'd/5.txt', 'd/e/2.json'])
  assert.deepEqual(await names('d/*.json'), ['d/1.json'])
  assert.deepEqual(await names('d/**/*.json'), ['d/1.json', 'd/e/2.json'])
  assert.deepEqual(await names('d/_temporary/*'), ['d/_temporary/4.json'])
  assert.deepEqual(await names('d/none.json'), [])
})

test('a bounded source says at a later start which files it will not read', async () => {
  await using files = await openSourceFiles()
  await files.write('d/1.json', '{}\n')
  const known = new Set((await files.discover({ path: 'd' })).map(({ split }) => split))
  await files.write('d/2.json', '{}\n')
  const said: string[] = []
  const log = { debug: () => {}, info: () => {}, warn: (message: string) => void said.push(message), error: () => {} }
  const enumerator = files.source({ path: 'd' }).enumerator(testSourceContext({ baseDirectory: files.root, log }))
  assert.deepEqual(await enumerator.discover(known, false), [])
  assert.match(said.join('\n'), /^test: d\/2\.json came after the first start .* `follow: true`/)
  assert.equal(said.length, 1)
  await enumerator.discover(new Set(['d/1.json@0', 'd/2.json']), false)
  assert.equal(said.length, 1, 'nothing to tell when all files are known, in ranges or whole')
})

test('names the file and the byte of a line that is no object', async () => {
  await using files = await openSourceFiles()
  const path = await files.write('a.json', '{"a":1}\n17\n')
  await assert.rejects(files.readAll({ path: 'a.json' }), (thrown) => {
    assert.ok(thrown instanceof MillraceError)
    assert.deepEqual([thrown.code, thrown.detail['file'], thrown.detail['byte']], ['POISON', path, 8])
    return true
  })
})

test('fills the metadata that the plan uses', async () => {
  await using files = await openSourceFiles()
  const path = await files.write('a.json', '{"a":1}\n\n{"a":2}\n')
  const reader = files.reader({ path }, { metadata: ['_file', '_offset'] })
  await readSplits(reader, await files.discover({ path }), 1, (batch) => {
    assert.ok(batch.body.kind === 'bytes')
    assert.deepEqual(batch.body.metadata, { file: [path, path], offset: BigInt64Array.of(0n, 9n) })
    return []
  })
})

for (const [name, compress] of [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
] as const) {
  test(`reads ${name} files of several members from any position`, async () => {
    await using files = await openSourceFiles()
    const lines = Array.from({ length: 25_000 }, (_, index) => `{"a":${index}}`)
    const text = `${lines.join('\n')}\n`
    const cut = 100_003
    await files.write('a.json.x', Buffer.concat([compress(text.slice(0, cut)), compress(text.slice(cut))]))
    const options = { path: 'a.json.x', format: 'json' }
    assert.deepEqual(await files.readWithStops(options, [1, 1, 1]), lines)
  })

  test(`refuses a ${name} file that is cut off or followed by garbage`, async () => {
    await using files = await openSourceFiles()
    const whole = compress('{"a":1}\n'.repeat(1000))
    for (const bytes of [whole.subarray(0, -2), Buffer.concat([whole, Buffer.from('garbage')])]) {
      await files.write('a.json.x', bytes)
      await assert.rejects(files.readAll({ path: 'a.json.x', format: 'json' }), failsWith('DECODE'))
    }
  })
}

test('reads every record once, wherever a reader is dropped', async () => {
  await using files = await openSourceFiles()
  const line = fc.oneof(
    fc.string({ maxLength: 30 }).map((a) => JSON.stringify({ a })),
    fc.constant(''),
    fc.constant(JSON.stringify({ long: 'x'.repeat(70_000) })),
  )
  const contents = fc.record({
    lines: fc.array(line, { maxLength: 200 }),
    copies: fc.constantFrom(1, 1, 300),
    lineEnd: fc.constantFrom('\n', '\r\n'),
    last: fc.boolean(),
    stops: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(contents, { minLength: 1, maxLength: 3 }), async (all) => {
      await rm(join(files.root, 'd'), { recursive: true, force: true })
      const expected: string[] = []
      for (const [index, { lines, copies, lineEnd, last }] of all.entries()) {
        const short = lines.filter((text) => text.length < 1000)
        const many = copies === 1 ? lines : Array.from({ length: copies }, () => short).flat()
        await files.write(`d/${index}.json`, many.join(lineEnd) + (last ? lineEnd : ''))
        expected.push(...many.filter((text) => text !== ''))
      }
      const records = await files.readWithStops({ path: 'd', format: 'json' }, all[0]?.stops ?? [])
      assert.deepEqual(
        records.map((record) => record.trim()),
        expected,
      )
    }),
    { numRuns: 40 },
  )
})

test('refuses a record of more than 16 MiB', async () => {
  await using files = await openSourceFiles()
  await files.write('a.json', `{"a":1}\n{"a":"${'x'.repeat(17 * 1024 * 1024)}"}\n`)
  await assert.rejects(files.readAll({ path: 'a.json' }), failsWith('POISON'))
})

test('reads a record of 9 MiB', async () => {
  await using files = await openSourceFiles()
  const long = `{"a":"${'x'.repeat(9 * 1024 * 1024)}"}`
  await files.write('a.json', `{"a":1}\n${long}\n{"a":2}\n`)
  assert.deepEqual(await files.readAll({ path: 'a.json' }), ['{"a":1}', long, '{"a":2}'])
})

test('keeps raw lines as they are, empty ones too', async () => {
  await using files = await openSourceFiles()
  await files.write('a.log', 'one, two\n\nthree\r\nfour')
  const lines = ['one, two', '', 'three', 'four']
  assert.deepEqual(await files.readAll({ path: 'a.log' }, { kind: 'bytes', format: 'raw', separator: 0x0a }), lines)
  assert.deepEqual(await files.readAll({ path: 'a.log' }, { kind: 'bytes', format: 'raw', separator: 0x2c }), lines)
})

test('refuses to go on in a bounded file that was changed after it had been listed', async () => {
  await using files = await openSourceFiles()
  const path = await files.write('a.json', '{"a":1}\n{"a":2}\n')
  const splits = await files.discover({ path })
  const enumerator = files.source({ path }).enumerator(testSourceContext({ baseDirectory: files.root }))
  await enumerator.verify(splits)
  const atEnd = splits.map((split) => ({ ...split, at: { offset: 16, row: 2 } }))
  await appendFile(path, '{"a":3}\n')
  await assert.rejects(enumerator.verify(splits), failsWith('POSITION_LOST'))
  await assert.rejects(readSplits(files.reader({ path }), splits), failsWith('POSITION_LOST'))
  await truncate(path, 4)
  const middle = splits.map((split) => ({ ...split, at: { offset: 8, row: 1 } }))
  await assert.rejects(enumerator.verify(middle), failsWith('POSITION_AHEAD'))
  await unlink(path)
  await assert.rejects(enumerator.verify(middle), failsWith('POSITION_LOST'))
  await enumerator.verify(atEnd)
})

test('holds what an aborted poll has read', async () => {
  await using files = await openSourceFiles()
  await files.write('a.json', '{"a":1}\n')
  const reader = files.reader({ path: 'a.json' })
  reader.assign(await files.discover({ path: 'a.json' }))
  const abort = new AbortController()
  const poll = reader.poll(abort.signal)
  abort.abort()
  assert.deepEqual(await poll, [])
  const items = await reader.poll(AbortSignal.timeout(180_000))
  assert.deepEqual(
    items.flatMap((item) => (item.kind === 'batch' ? recordsOf(item) : [])),
    ['{"a":1}'],
  )
  await reader.close()
})

/** Polls until `count` records came or the split ended. */
async function follow(reader: SplitReader, count: number): Promise<string[]> {
  const records: string[] = []
  const signal = AbortSignal.timeout(180_000)
  while (records.length < count) {
    assert.ok(!signal.aborted, `only ${records.length} of ${count} records came`)
    for (const item of await reader.poll(signal)) {
      if (item.kind === 'batch') records.push(...recordsOf(item))
      if (item.kind === 'split-end') return records
    }
  }
  return records
}

test('follows a growing file, and waits for the line feed of its last line', async () => {
  await using files = await openSourceFiles()
  const path = await files.write('a.json', '{"a":1}\n{"a"')
  const options = { path, follow: true }
  const reader = files.reader(options)
  reader.assign(await files.discover(options))
  assert.deepEqual(await follow(reader, 1), ['{"a":1}'])
  await appendFile(path, ':2')
  await appendFile(path, '}\n{"a":3}\n{')
  assert.deepEqual(await follow(reader, 2), ['{"a":2}', '{"a":3}'])
  await appendFile(path, '}')
  await unlink(path)
  assert.deepEqual(await follow(reader, 2), ['{}'])
  await reader.close()
})

test('refuses to follow a file that was truncated, replaced or renamed', async () => {
  await using files = await openSourceFiles()
  for (const [name, change, code] of [
    ['1.json', (path: string) => truncate(path, 3), 'POSITION_AHEAD'],
    ['2.json', (path: string) => rename(path, `${path}.1`), 'POSITION_LOST'],
    [
      '3.json',
      async (path: string) => {
        await rename(path, `${path}.1`)
        await writeFile(path, '{"a":9}\n{"a":9}\n{"a":9}\n')
      },
      'POSITION_LOST',
    ],
  ] as const) {
    const path = await files.write(name, '{"a":1}\n{"a":2}\n')
    const options = { path, follow: true }
    const splits = await files.discover(options)
    const reader = files.reader(options)
    reader.assign(splits)
    await follow(reader, 2)
    await change(path)
    await assert.rejects(follow(reader, 1), failsWith(code), name)
    await reader.close()
    const restored = splits.map((split) => ({ ...split, at: { offset: 16, row: 2 } }))
    const enumerator = files.source(options).enumerator(testSourceContext({ baseDirectory: files.root }))
    await assert.rejects(enumerator.verify(restored), failsWith(code), name)
  }
})

test('finds new files when following, and none when bounded', async () => {
  await using files = await openSourceFiles()
  await files.write('d/1.json', '{}\n')
  const enumerator = (follow: boolean) =>
    files.source({ path: 'd', format: 'json', follow }).enumerator(testSourceContext({ baseDirectory: files.root }))
  await files.write('d/2.json', '{}\n')
  const found = await enumerator(true).discover(new Set(['d/1.json']), false)
  assert.deepEqual(
    found.map(({ split, at }) => [split, at]),
    [['d/2.json', { offset: 0, row: 0 }]],
  )
  assert.deepEqual(await enumerator(false).discover(new Set(['d/1.json']), false), [])
})
