import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { LogReader } from '../../clients/sls/index.ts'
import type { Schema } from '../../core/schema.ts'
import { openLaneDatabase, parseColumnType, quoteName } from '../../dataplane/index.ts'
import { encodeLogGroup, encodeLogGroupList, type PlainLog } from '../../testkit/emulators/sls/log-group.ts'
import { LogRows } from './log-rows.ts'
import { LogTables } from './log-tables.ts'

const SHORT: Schema = [
  { name: 'id', type: 'bigint', nullable: true },
  { name: 'small', type: 'utinyint', nullable: true },
  { name: 'large', type: 'hugeint', nullable: true },
  { name: 'price', type: 'decimal(12,2)', nullable: true },
  { name: 'ratio', type: 'double', nullable: true },
  { name: 'at', type: 'timestamp(3)', nullable: true },
  { name: 'ok', type: 'boolean', nullable: true },
  { name: 'name', type: 'varchar', nullable: true },
  { name: 'raw', type: 'blob', nullable: true },
]
/** A column of this type makes all of them go the long way. */
const LONG: Schema = [...SHORT, { name: 'never there', type: 'json', nullable: true }]
const METADATA = ['_time', '_topic', '_index', '_offset']
const SLACK = 16

const database = await openLaneDatabase({ memoryLimitBytes: 64 * 2 ** 20 })
after(() => database.close())

type Seen = { readonly rows: unknown[][]; readonly bytes: number } | { readonly fault: object }

/** Everything that comes of these groups, in as many batches as it takes. */
async function decode(
  groups: readonly (readonly PlainLog[])[],
  schema: Schema,
  metadata: readonly string[],
): Promise<Seen> {
  const raw = encodeLogGroupList(groups.map((logs, group) => encodeLogGroup({ topic: `t${group}`, logs })))
  const reader = new LogReader()
  reader.load(Buffer.concat([raw, Buffer.alloc(SLACK, 0x0a)]), raw.length, groups.length)
  const tables = new LogTables(schema, metadata)
  const rows: unknown[][] = []
  let bytes = 0
  while (reader.hasLog) {
    const at = { shard: 0, first: 7n, groupEnd: groups.length, isTraced: false }
    const made = await tables.decode(reader, at, database)
    if (!made.ok) return { fault: { ...made.fault, before: rows.length } }
    const columns = [...SHORT.map(({ name }) => name), ...metadata]
    const texts = columns.map((name) => `CAST(${quoteName(name)} AS VARCHAR)`).join(', ')
    const read = await database.run(`SELECT ${texts} FROM ${quoteName(made.relation)}`)
    assert.equal(read.length, made.rows)
    rows.push(...read)
    bytes += made.bytes
    made.release()
  }
  return { rows, bytes }
}

async function assertSame(
  groups: readonly (readonly PlainLog[])[],
  metadata: readonly string[] = METADATA,
): Promise<Seen> {
  const short = await decode(groups, SHORT, metadata)
  assert.deepEqual(short, await decode(groups, LONG, metadata))
  return short
}

const digits = fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }).map(String)
const values = fc.oneof(
  digits,
  fc.integer({ min: -300, max: 300 }).map(String),
  fc.tuple(fc.integer({ min: -99, max: 99 }), fc.nat(9999)).map(([whole, part]) => `${whole}.${part}`),
  fc.constantFrom('', '0', '-0', '007', '+1', '1e3', '"12"', 'true', 'false', 'truely', 'null', '1.', '.5', '12 '),
  fc.constantFrom(
    '2026-11-21 01:02:03',
    '2026-11-21T01:02:03.1',
    '2024-02-29 00:00:00.123',
    '2023-02-29 00:00:00',
    '2026-11-21',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
)
const fitting: Readonly<Record<string, fc.Arbitrary<string | Uint8Array>>> = {
  id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  small: fc.nat(255).map(String),
  large: digits,
  price: fc.tuple(fc.integer({ min: -999_999, max: 999_999 }), fc.nat(99)).map(([a, b]) => `${a}.${b}`),
  ratio: fc.constantFrom('0', '1.5', '-2.25e-3', '123456789012345678'),
  at: fc.constantFrom(
    '2026-11-21 01:02:03',
    '2026-11-21T01:02:03.123',
    '0001-01-01 00:00:00',
    '9999-12-31 23:59:59.999',
  ),
  ok: fc.constantFrom('true', 'false'),
  name: fc.string({ unit: 'binary', maxLength: 300 }),
  raw: fc.uint8Array({ maxLength: 40 }),
}
const pairs = fc.oneof(
  ...Object.entries(fitting).map(([key, value]) => fc.tuple(fc.constant(key), value)),
  fc.tuple(fc.constantFrom('other', 'nam', 'names', 'k'.repeat(130)), fc.string({ maxLength: 200 })),
)
const usual = fc.record(fitting).map((row) => Object.entries(row))
const times = { time: fc.nat(4_294_967_295), timeNs: fc.option(fc.nat(999_999_999), { nil: undefined }) }
const logs = fc
  .record({ ...times, contents: fc.oneof({ weight: 3, arbitrary: usual }, fc.array(pairs, { maxLength: 12 })) })
  .map(({ timeNs, ...rest }) => ({ ...rest, ...(timeNs === undefined ? {} : { timeNs }) }))

test('the short way gives what the long way gives, whatever order, number and repetition of keys', async () => {
  const groups = fc.array(fc.array(logs, { maxLength: 12 }), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(groups, async (made) => void (await assertSame(made))),
    { numRuns: 60 },
  )
})

test('the short way takes what the long way takes of any value, and refuses what it refuses', async () => {
  const names = fc.constantFrom(...SHORT.map(({ name }) => name))
  await fc.assert(
    fc.asyncProperty(names, values, async (name, value) => {
      await assertSame([
        [
          {
            time: 1,
            contents: [
              [name, value],
              ['id', '1'],
              ['name', 'x'],
            ].slice(0, name === 'id' ? 1 : 2) as [string, string][],
          },
        ],
      ])
    }),
    { numRuns: 200 },
  )
})

test('usual logs are taken without a look at any of them', () => {
  const columns = SHORT.map(({ name, type, nullable }) => ({ name, type: parseColumnType(type), nullable }))
  const rows = LogRows.of(columns, { rowsMax: 1000, bytesMax: 1e6 })
  assert.ok(rows)
  const contents: [string, string][] = [
    ['name', 'n'],
    ['id', '12'],
    ['at', '2026-11-21 01:02:03.004'],
    ['unknown', 'x'],
    ['price', '1.25'],
  ]
  const raw = encodeLogGroupList([
    encodeLogGroup({ topic: 't', logs: Array.from({ length: 500 }, () => ({ time: 5, contents })) }),
  ])
  const reader = new LogReader()
  reader.load(Buffer.concat([raw, Buffer.alloc(SLACK, 0x0a)]), raw.length, 1)
  assert.ok(rows.begin())
  assert.equal(rows.take(reader, 300, undefined).rows, 300)
  assert.equal(reader.log, 300)
  assert.equal(rows.take(reader, 300, undefined).rows, 200)
  assert.equal(reader.hasLog, false)
  assert.deepEqual(
    rows.pages().map((page) => page.rows),
    SHORT.map(() => 500),
  )
})

test('logs larger than the window, among small ones, come whole and in order', async () => {
  const log = (id: number, bytes: number): PlainLog => ({
    time: id,
    contents: [
      ['id', String(id)],
      ['name', `${id} `.padEnd(bytes, 'x')],
    ],
  })
  const sizes = [
    10,
    10,
    1_048_560,
    20,
    3_000_000,
    5,
    9_000_000,
    6,
    1_200_000,
    ...Array.from({ length: 40 }, () => 300_000),
  ]
  const seen = await assertSame([sizes.map((bytes, id) => log(id, bytes)), [log(99, 7)]])
  assert.ok('rows' in seen)
  assert.deepEqual(
    seen.rows.map(([id]) => Number(id)),
    [...sizes.keys(), 99],
  )
})

test('text that is no UTF-8 is named by its row, NULLs before it counted', async () => {
  const bad = Buffer.from([0xc3, 0x28])
  const seen = await assertSame([
    [
      { time: 1, contents: [['id', '1']] },
      { time: 1, contents: [['name', 'good']] },
      { time: 1, contents: [['id', '2']] },
      { time: 1, contents: [['name', bad]] },
    ],
  ])
  assert.deepEqual(seen, { fault: { row: 3, column: 'name', reason: 'invalid UTF-8', before: 0 } })
})

test('batches rest from the short way when most logs are odd, and give the same', async () => {
  const odd: PlainLog = {
    time: 1,
    contents: [
      ['name', 'a'],
      ['name', 'b'],
    ],
  }
  const seen = await assertSame(
    Array.from({ length: 2 }, () => Array.from({ length: 25_000 }, () => odd)),
    [],
  )
  assert.ok('rows' in seen && seen.rows.length === 50_000)
})
