import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { Batch } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import { quoteName } from '../../dataplane/index.ts'
import { appendRows } from '../../testkit/emulators/sls/append-rows.ts'
import { countLogs, encodeLogGroup } from '../../testkit/emulators/sls/log-group.ts'
import { readSplits } from '../../testkit/read-splits.ts'
import { TestedSls } from '../../testkit/sls-source.ts'

const SCHEMA: Schema = [
  { name: 'id', type: 'bigint', nullable: true },
  { name: 'price', type: 'decimal(12,2)', nullable: true },
  { name: 'large', type: 'decimal(38,0)', nullable: true },
  { name: 'at', type: 'timestamp(3)', nullable: true },
  { name: 'zoned', type: 'timestamptz', nullable: true },
  { name: 'day', type: 'date', nullable: true },
  { name: 'ok', type: 'boolean', nullable: true },
  { name: 'ratio', type: 'double', nullable: true },
  { name: 'name', type: 'varchar', nullable: true },
  { name: 'doc', type: 'json', nullable: true },
  { name: 'raw', type: 'blob', nullable: true },
  { name: 'uid', type: 'uuid', nullable: true },
]

type Row = Readonly<Record<string, string | Uint8Array>>

/** What a pipeline with SQL sees of these rows: every column as text. */
async function read(rows: readonly Row[], schema: Schema, metadata: readonly string[] = []): Promise<unknown[][]> {
  await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
  if (rows.length > 0)
    appendRows(sls.logstore, 0, rows, {
      topic: 'web',
      source: '10.0.0.1',
      tags: [
        ['host', 'h"1'],
        ['n', '2'],
      ],
    })
  return await readAll(sls, schema, metadata)
}

async function readAll(sls: TestedSls, schema: Schema, metadata: readonly string[] = []): Promise<unknown[][]> {
  const database = await sls.database()
  const columns = [...schema.map(({ name }) => name), ...metadata]
  const texts = columns.map((name) => `CAST(${quoteName(name)} AS VARCHAR)`).join(', ')
  const made: unknown[][] = []
  const take = async ({ body }: Batch): Promise<string[]> => {
    assert.ok(body.kind === 'table')
    made.push(...(await database.run(`SELECT ${texts} FROM ${quoteName(body.relation)}`)))
    return []
  }
  await readSplits(sls.reader(schema, metadata), await sls.enumerator().discover(new Set(), true), Infinity, take)
  return made
}

/** Reads one value of a type; the reason when it is refused. */
async function readOne(type: string, value: string | Uint8Array, nullable = true): Promise<string> {
  try {
    const [[text] = []] = await read([{ v: value }], [{ name: 'v', type, nullable }])
    return String(text)
  } catch (error) {
    const { code, detail } = error as { code?: string; detail?: { reason?: string } }
    assert.equal(code, 'POISON', String(error))
    return `! ${detail?.reason}`
  }
}

suite('values', () => {
  test('of every type come out as they went in', async () => {
    const row = {
      id: '-9223372036854775808',
      price: '-1234567890.12',
      large: '99999999999999999999999999999999999999',
      at: '2026-11-21T01:02:03.004',
      zoned: '2026-11-21 01:02:03.000004+08:00',
      day: '2024-02-29',
      ok: 'false',
      ratio: '1.5e-3',
      name: '\u4e16\u754c "x" \\ \n',
      doc: '{"a":\n[1, "b"]}',
      raw: Buffer.from([0x00, 0xff, 0x5c]),
      uid: '00000000-0000-4000-8000-0000000000ff',
    }
    const [first, second] = await read([row, {}], SCHEMA)
    assert.deepEqual(first, [
      row.id,
      row.price,
      row.large,
      '2026-11-21 01:02:03.004',
      '2026-11-20 17:02:03.000004+00',
      row.day,
      'false',
      '0.0015',
      row.name,
      '{"a": [1, "b"]}',
      String.raw`\x00\xFF\x5C`,
      row.uid,
    ])
    assert.deepEqual(
      second,
      SCHEMA.map(() => null),
    )
  })

  test('that are none of their type are refused, whatever stands behind them', async () => {
    const cases: [type: string, value: string, expected: string][] = [
      ['bigint', '1.5', '! a fraction or an exponent where an integer is needed'],
      ['bigint', '', '! not an integer'],
      ['bigint', '12a', '! not a value of the column’s type'],
      ['bigint', '9223372036854775808', '! an integer beyond the range of its type'],
      ['tinyint', '128', '! an integer beyond the range of its type'],
      ['utinyint', '255', '255'],
      ['decimal(4,2)', '12.345', '! more digits after the point than the type holds'],
      ['decimal(4,2)', '12.340', '12.34'],
      ['decimal(4,2)', '123.4', '! more digits before the point than the type holds'],
      ['boolean', '1', '! not true or false'],
      ['boolean', 'true', 'true'],
      ['timestamp(3)', '2026-11-21 00:00:00.0001', '! more digits of a second than the type holds'],
      ['timestamp', '2026-11-21 00:00:00+08:00', '! a zone offset in a timestamp without a zone (use timestamptz)'],
      ['date', '2026-02-30', '! not a date (YYYY-MM-DD, years 0001 to 9999)'],
      ['double', 'NaN', '! not a number'],
      ['json', '{"a":', '! broken JSON'],
      ['json', '17', '17'],
      ['varchar', '', ''],
    ]
    for (const [type, value, expected] of cases) assert.equal(await readOne(type, value), expected, `${type} ${value}`)
    assert.equal(await readOne('varchar', Buffer.from([0xc3, 0x28])), '! invalid UTF-8')
  })

  test('are whole numbers exactly, however many stand side by side', async () => {
    const schema: Schema = ['a', 'b', 'c'].map((name) => ({ name, type: 'bigint', nullable: true }))
    const number = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(number, number, number), { minLength: 1, maxLength: 20 }), async (rows) => {
        const made = await read(
          rows.map(([a, b, c]) => ({ a, b, c })),
          schema,
        )
        assert.deepEqual(made, rows)
      }),
      { numRuns: 15 },
    )
  })

  test('of a key that is needed and missing are refused; other keys are passed over, and of equal ones the last counts', async () => {
    await assert.rejects(read([{ w: '1' }], [{ name: 'v', type: 'bigint', nullable: false }]), {
      code: 'POISON',
      message: /key v: NULL in a column that must not be NULL/,
    })
    await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
    const group = encodeLogGroup({
      logs: [
        {
          time: 1,
          contents: [
            ['v', 'first'],
            ['w', '1'],
            ['v', 'last'],
          ],
        },
      ],
    })
    sls.logstore.shard(0).append(group, countLogs(group), Math.floor(Date.now() / 1000))
    assert.deepEqual(await readAll(sls, [{ name: 'v', type: 'varchar', nullable: true }]), [['last']])
  })
})

test('metadata columns say where a log comes from', async () => {
  await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
  const tags: [string, string][] = [
    ['host', 'h"1'],
    ['n', '2'],
    ['n', '3'],
  ]
  const logs = [
    { time: 1_763_690_000, timeNs: 123_456_789, contents: [] },
    { time: 4_294_967_295, contents: [] },
  ]
  for (const group of [
    encodeLogGroup({ topic: 'web', source: '10.0.0.1', tags, logs }),
    encodeLogGroup({ logs: [{ time: 0, contents: [] }] }),
  ]) {
    sls.logstore.shard(0).append(group, countLogs(group), Math.floor(Date.now() / 1000))
  }
  const { begin } = sls.logstore.shard(0)
  const names = ['_time', '_topic', '_source', '_tags', '_shard', '_offset', '_index']
  assert.deepEqual(await readAll(sls, [], names), [
    ['2025-11-21 01:53:20.123456+00', 'web', '10.0.0.1', '{"host":"h\\"1","n":"3"}', '0', String(begin), '0'],
    ['2106-02-07 06:28:15+00', 'web', '10.0.0.1', '{"host":"h\\"1","n":"3"}', '0', String(begin), '1'],
    ['1970-01-01 00:00:00+00', '', '', '{}', '0', String(begin + 1n), '0'],
  ])
})

test('a refused value is named by shard, group, log and key', async () => {
  await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
  appendRows(sls.logstore, 0, [{ id: '1' }])
  appendRows(sls.logstore, 0, [{ id: '2' }, { id: '3' }, { id: 'secret-canary' }])
  const { begin } = sls.logstore.shard(0)
  await assert.rejects(
    readAll(sls, [{ name: 'id', type: 'bigint', nullable: true }]),
    (error: Error & { detail?: object }) => {
      assert.match(error.message, new RegExp(`shard 0: log 2 of group ${begin + 1n} .*, key id: not an integer`))
      assert.doesNotMatch(error.message + JSON.stringify(error.detail), /canary/)
      return true
    },
  )
})

test('tables are cut inside of answers and groups, and reading goes on there', async () => {
  await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
  for (const part of [0, 1, 2]) {
    appendRows(
      sls.logstore,
      0,
      Array.from({ length: 30_000 }, (_, at) => ({ id: String(part * 30_000 + at) })),
    )
  }
  const schema: Schema = [{ name: 'id', type: 'bigint', nullable: true }]
  const database = await sls.database()
  const seen: [number, number, number][] = []
  const take = async ({ body, rows }: Batch): Promise<string[]> => {
    assert.ok(body.kind === 'table')
    const [[least, most] = []] = await database.run(`SELECT min(id), max(id) FROM ${quoteName(body.relation)}`)
    seen.push([Number(least), Number(most), rows])
    return []
  }
  let rest = await sls.enumerator().discover(new Set(), true)
  while (rest.length > 0) ({ rest } = await readSplits(sls.reader(schema), rest, 1, take))
  assert.ok(seen.length >= 3)
  let next = 0
  for (const [least, most, rows] of seen) {
    assert.deepEqual([least, most], [next, next + rows - 1])
    next += rows
  }
  assert.equal(next, 90_000)
})
