import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch, BodyFormat } from '../core/batch.ts'
import { MillraceError } from '../core/errors.ts'
import type { Schema } from '../core/schema.ts'
import { openLaneDatabase, type LaneDatabase } from '../dataplane/index.ts'
import { bytesBatch, testBatch } from '../testkit/bytes-batch.ts'
import { recordsOf } from '../testkit/read-splits.ts'
import { createQueryOperator } from './query.ts'
import type { QueryWork } from './step.ts'

const JSON_LINES: BodyFormat = { kind: 'bytes', format: 'json', separator: 0x0a }
const TABLE: BodyFormat = { kind: 'table' }

function schemaOf(types: Record<string, string>): Schema {
  return Object.entries(types).map(([name, type]) => ({ name, type, nullable: true }))
}

const INPUT = schemaOf({ id: 'bigint', name: 'varchar', amount: 'decimal(18,2)' })

function step(parts: Partial<QueryWork>): QueryWork {
  return {
    id: 'paid',
    input: { format: JSON_LINES, encoding: 'json', schema: INPUT },
    metadata: [],
    relation: 'clicks',
    selects: [{ name: 'paid', sql: 'SELECT id, upper(name) AS name FROM clicks WHERE amount > 0' }],
    outputs: [{ select: 'paid', format: JSON_LINES, schema: schemaOf({ id: 'bigint', name: 'varchar' }) }],
    ...parts,
  }
}

const TWO_BRANCHES: Partial<QueryWork> = {
  selects: [
    { name: 'all', sql: 'SELECT id, amount + 1 AS amount FROM clicks' },
    { name: 'even', sql: 'SELECT id FROM "all" WHERE id % 2 = 0;' },
    { name: 'odd', sql: 'SELECT id, 10 // (id - 3) AS q FROM "all" WHERE id % 2 = 1 -- the rest' },
  ],
  outputs: [
    { select: 'even', format: { kind: 'bytes', format: 'json', separator: 0x2c }, schema: schemaOf({ id: 'bigint' }) },
    { select: 'odd', format: JSON_LINES, schema: schemaOf({ id: 'bigint', q: 'bigint' }) },
  ],
}

interface Emitted {
  readonly output: number
  readonly rows: number
  readonly records: readonly string[]
}

/** Runs batches through an operator of their own. */
async function run(database: LaneDatabase, work: QueryWork, ...batches: Batch[]): Promise<Emitted[]> {
  const operator = createQueryOperator(work, { baseDirectory: '/', database: async () => database })
  await operator.open()
  const emitted: Emitted[] = []
  try {
    for (const batch of batches) {
      await operator.process(batch, {
        emit: async (output, result) => {
          const records =
            result.body.kind === 'table'
              ? (await database.run(`SELECT * FROM "${result.body.relation}"`)).map((row) => row.join('|'))
              : recordsOf(result)
          emitted.push({ output, rows: result.rows, records })
          result.release()
        },
      })
    }
    return emitted
  } finally {
    await operator.close()
  }
}

function open(): Promise<LaneDatabase> {
  return openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
}

const LINES = [1, 2, 3, 4].map((id) => `{"id":${id},"name":"n${id}","amount":${id - 1}.50}`)

test('rows pass the SQL, and filtered ones do not come out', async () => {
  await using database = await open()
  const batch = bytesBatch([...LINES, '{"id":9007199254740993,"name":null,"amount":-1}'])
  const emitted = await run(database, step({}), batch, bytesBatch(['{"id":7,"name":"x","amount":1}']))
  assert.deepEqual(emitted, [
    { output: 0, rows: 4, records: [1, 2, 3, 4].map((id) => `{"id":${id},"name":"N${id}"}`) },
    { output: 0, rows: 1, records: ['{"id":7,"name":"X"}'] },
  ])
  assert.equal(batch.releases, 1)
})

test('a batch of which nothing is left is not emitted', async () => {
  await using database = await open()
  const batch = bytesBatch(['{"id":1,"amount":0}'])
  assert.deepEqual(await run(database, step({}), batch), [])
  assert.equal(batch.releases, 1)
})

test('every output reads the rows that were decoded once, in its own encoding', async () => {
  await using database = await open()
  const lines = LINES.filter((line) => !line.includes('"id":3,'))
  const expected = [
    { output: 0, rows: 2, records: ['{"id":2}', '{"id":4}'] },
    { output: 1, rows: 1, records: ['{"id":1,"q":-5}'] },
  ]
  assert.deepEqual(await run(database, step(TWO_BRANCHES), bytesBatch(lines), bytesBatch(lines)), [
    ...expected,
    ...expected,
  ])
})

test('tables come in and go out, and are gone after their release', async () => {
  await using database = await open()
  await database.run(
    `CREATE TEMP TABLE given AS SELECT i::BIGINT AS id, 'n' AS name, 1::DECIMAL(18,2) AS amount FROM range(3) r(i)`,
  )
  const input = { format: TABLE, encoding: 'json', schema: INPUT } as const
  const output = { select: 'paid', format: TABLE, schema: schemaOf({ id: 'bigint', name: 'varchar' }) }
  const batch = testBatch(3, { kind: 'table', relation: 'given', schema: INPUT })
  const emitted = await run(database, step({ input, outputs: [output] }), batch)
  assert.deepEqual(emitted, [{ output: 0, rows: 3, records: ['0|N', '1|N', '2|N'] }])
  const left = await database.run(`SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'batch%'`)
  assert.deepEqual(left, [])
})

/** What a sink stores: one column as text, one wider. */
const STORED: BodyFormat = {
  kind: 'parquet',
  columns: [
    { name: 'label', sql: `name || '!'` },
    { name: 'id', sql: 'CAST(id AS TINYINT)' },
  ],
  compression: 'zstd',
}

test('a sink that stores Parquet is given a file with the columns that it described', async () => {
  await using database = await open()
  const output = { select: 'paid', format: STORED, schema: schemaOf({ id: 'bigint', name: 'varchar' }) }
  const operator = createQueryOperator(step({ outputs: [output] }), {
    baseDirectory: '',
    database: async () => database,
  })
  await operator.open()
  const files: Buffer[] = []
  await operator.process(bytesBatch(LINES), {
    emit: async (_, { body, rows, release }) => {
      assert.ok(body.kind === 'parquet')
      assert.equal(rows, 4)
      files.push(Buffer.from(body.buffer.subarray(0, body.length)))
      release()
    },
  })
  await operator.close()
  const [file] = files
  assert.ok(file !== undefined)
  database.input.write(file, file.length)
  const rows = await database.run(`SELECT label, id FROM read_parquet('${database.input.path}')`)
  assert.deepEqual(
    rows,
    [1, 2, 3, 4].map((id) => [`N${id}!`, id]),
  )
})

test('a record that does not fit the column in which it is stored is named', async () => {
  const lines = [1, 128, 3].map((id) => `{"id":${id},"name":"n","amount":1}`)
  const output = { select: 'paid', format: STORED, schema: schemaOf({ id: 'bigint', name: 'varchar' }) }
  const error = await poisonOf(step({ outputs: [output] }), bytesBatch(lines))
  assert.equal(error.detail['recordInBatch'], 1)
})

test('rows of user functions are encoded with every digit', async () => {
  await using database = await open()
  const input = { format: { kind: 'rows' }, encoding: 'json', schema: INPUT } as const
  const rows = [{ id: 9007199254740993n, name: 'é"\n', amount: '1234567890123456.78' }]
  const outputs = [{ select: 'clicks', format: JSON_LINES, schema: INPUT }]
  const emitted = await run(database, step({ input, outputs }), testBatch(1, { kind: 'rows', rows, schema: INPUT }))
  assert.deepEqual(emitted[0]?.records, ['{"id":9007199254740993,"name":"é\\"\\n","amount":1234567890123456.78}'])
})

test('lines of text become the one column of their schema', async () => {
  await using database = await open()
  const input = {
    format: { kind: 'bytes', format: 'raw', separator: 0x0a },
    encoding: 'raw',
    schema: schemaOf({ line: 'varchar' }),
  } as const
  const selects = [{ name: 'long', sql: 'SELECT length(line) AS n FROM clicks' }]
  const outputs = [{ select: 'long', format: JSON_LINES, schema: schemaOf({ n: 'bigint' }) }]
  const emitted = await run(database, step({ input, selects, outputs }), bytesBatch(['a"b\\', '', 'é\x01']))
  assert.deepEqual(emitted[0]?.records, ['{"n":4}', '{"n":0}', '{"n":2}'])
})

test('SQL sees what the source knows of each record', async () => {
  await using database = await open()
  const metadata = schemaOf({
    _offset: 'bigint',
    _file: 'varchar',
    _timestamp: 'timestamptz',
    _key: 'blob',
    _headers: 'varchar',
    _partition: 'integer',
  })
  const names = metadata.map(({ name }) => name)
  const selects = [{ name: 'seen', sql: `SELECT id, ${names.join(', ')} FROM clicks` }]
  const outputs = [{ select: 'seen', format: JSON_LINES, schema: [...INPUT.slice(0, 1), ...metadata] }]
  const batch = bytesBatch(['{"id":1}', ' { }'], {
    metadata: {
      offset: BigInt64Array.of(9007199254740993n, 2n),
      file: ['a "b"', 'c'],
      timestamp: BigInt64Array.of(1_700_000_000_000_001n, -1n),
      key: [Buffer.from([0xff]), null],
      headers: ['{"h":"1"}', null],
      partition: Int32Array.of(3, 4),
    },
  })
  const emitted = await run(database, step({ metadata, selects, outputs }), batch)
  assert.deepEqual(emitted[0]?.records, [
    '{"id":1,"_offset":9007199254740993,"_file":"a \\"b\\"","_timestamp":"2023-11-14 22:13:20.000001+00",' +
      '"_key":"/w==","_headers":"{\\"h\\":\\"1\\"}","_partition":3}',
    '{"id":null,"_offset":2,"_file":"c","_timestamp":"1969-12-31 23:59:59.999999+00","_key":null,"_headers":null,"_partition":4}',
  ])
})

/** Runs and returns the POISON error. */
async function poisonOf(work: QueryWork, batch: Batch): Promise<MillraceError> {
  await using database = await open()
  const thrown: unknown = await run(database, work, batch).catch((error: unknown) => error)
  assert.ok(thrown instanceof MillraceError, String(thrown))
  assert.deepEqual([thrown.code, thrown.retry], ['POISON', 'halt'])
  return thrown
}

test('a record that cannot be decoded is named by its place, without its value', async () => {
  const lines = ['{"id":1}', '{"id":"secret-text"}']
  for (const work of [step({}), step(TWO_BRANCHES)]) {
    const batch = bytesBatch(lines, { from: { offset: 100 }, next: { offset: 102 } })
    const error = await poisonOf(work, batch)
    assert.deepEqual([error.detail['split'], error.detail['offset'], error.detail['column']], ['s/0', '101', 'id'])
    assert.equal(batch.releases, 1)
    assert.ok(!JSON.stringify([error.message, error.detail]).includes('secret-text'))
  }
})

test('a record on which the SQL fails is named, wherever its rows come from', async () => {
  const lines = ['11', '12', 'secret', '13'].map((name, id) => `{"id":${id},"name":"${name}","amount":1}`)
  const selects = [{ name: 'paid', sql: 'SELECT id, CAST(name AS BIGINT) AS n FROM clicks' }]
  const schema = schemaOf({ id: 'bigint', n: 'bigint' })
  const one = { select: 'paid', format: JSON_LINES, schema }
  for (const outputs of [[one], [one, { ...one, select: 'clicks', schema: INPUT }], [{ ...one, format: TABLE }]]) {
    const error = await poisonOf(step({ selects, outputs }), bytesBatch(lines))
    assert.equal(error.detail['recordInBatch'], 2)
    assert.ok(!JSON.stringify([error.message, error.detail]).includes('secret'))
  }
})

test('a place is told in bytes where the source counts bytes', async () => {
  const lines = ['{"id":1}', '{"id":true}']
  const error = await poisonOf(
    step({}),
    bytesBatch(lines, { from: { offset: 50, row: 7 }, next: { offset: 71, row: 9 } }),
  )
  assert.deepEqual([error.detail['offset'], error.detail['row']], ['59', 8])
})

test('nothing is emitted of a batch when one of its outputs fails', async () => {
  await using database = await open()
  const emitted: Emitted[] = []
  const work = step({
    ...TWO_BRANCHES,
    selects: [
      ...(TWO_BRANCHES.selects?.slice(0, 2) ?? []),
      { name: 'odd', sql: 'SELECT id, CAST(amount AS TINYINT) AS q FROM "all"' },
    ],
  })
  await assert.rejects(async () => {
    emitted.push(...(await run(database, work, bytesBatch(['{"id":2,"amount":1000}']))))
  }, MillraceError)
  assert.deepEqual(emitted, [])
})
