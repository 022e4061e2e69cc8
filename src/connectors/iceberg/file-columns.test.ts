/** Columns of a table in files of every age: the SQL is run over a row of the file’s types. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  parseTableMetadata,
  type ContentFile,
  type IcebergField,
  type IcebergType,
} from '../../clients/iceberg/index.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/index.ts'
import type { ParquetColumn, ParquetFooter } from '../../dataplane/parquet-source/index.ts'
import { FileColumns } from './file-columns.ts'

let database: LaneDatabase
before(async () => void (database = await openLaneDatabase({ memoryLimitBytes: 64 * 1024 * 1024 })))
after(() => database.close())

function footerOf(...columns: readonly (readonly [name: string, fieldId: number | undefined])[]): ParquetFooter {
  const made = columns.map(([name, fieldId], index): ParquetColumn => ({
    name,
    fieldId,
    isNested: false,
    elements: [],
    leaves: { from: index, to: index + 1 },
  }))
  return { rows: 1, columns: made, groups: [], kept: new Map(), root: new Map() }
}

function metadataOf(properties: object, transform = 'identity'): ReturnType<typeof parseTableMetadata> {
  const json = {
    'format-version': 2,
    location: '/t',
    schemas: [{ type: 'struct', fields: [] }],
    'current-schema-id': 0,
    'partition-specs': [{ 'spec-id': 3, fields: [{ 'field-id': 1000, 'source-id': 1, transform }] }],
    properties,
  }
  return parseTableMetadata(Buffer.from(JSON.stringify(json)), 't')
}

function fileOf(partition: ContentFile['partition'] = new Map()): ContentFile {
  const none = new Map<number, never>()
  return {
    content: 'data',
    path: '/t/f.parquet',
    format: 'parquet',
    specId: 3,
    partition,
    records: 1,
    size: 1,
    valueCounts: none,
    nullCounts: none,
    nanCounts: none,
    lower: none,
    upper: none,
    splitOffsets: undefined,
    equalityIds: undefined,
    referencedDataFile: undefined,
    sequenceNumber: 1,
  }
}

function fieldOf(type: IcebergType, name = 'a'): IcebergField {
  return { id: 1, name, required: false, type }
}

/** The value and its type, as texts, of a column that a file holds as `value`. */
async function taken(value: string, type: IcebergType): Promise<string[]> {
  const field = fieldOf(type)
  const columns = new FileColumns(footerOf(['was b', 1]), fileOf(), metadataOf({}), [field])
  const [[given] = []] = await database.run(`SELECT typeof(${value})`)
  return await evaluate(columns.sql(field, [{ text: String(given), parts: [] }]), `SELECT ${value} AS c0`)
}

async function evaluate(sql: string, from = 'SELECT 1 AS c0'): Promise<string[]> {
  const [row = []] = await database.run(`SELECT CAST(v AS VARCHAR), typeof(v) FROM (SELECT ${sql} AS v FROM (${from}))`)
  return row.map(String)
}

const HEX = 'f79c3e09-677c-4bbd-a479-3f349cb785e7'
const CASES: readonly [value: string, type: IcebergType, result: string, resultType: string][] = [
  ['7::INTEGER', { kind: 'long' }, '7', 'BIGINT'],
  ['1.5::FLOAT', { kind: 'double' }, '1.5', 'DOUBLE'],
  ['1.25::DECIMAL(9,2)', { kind: 'decimal', precision: 38, scale: 2 }, '1.25', 'DECIMAL(38,2)'],
  [`TIMESTAMP '2024-01-01 00:00:00.000001'`, { kind: 'timestamp' }, '2024-01-01 00:00:00.000001', 'TIMESTAMP'],
  [
    `TIMESTAMPTZ '2024-01-01 01:00:00+01'`,
    { kind: 'timestamptz' },
    '2024-01-01 00:00:00+00',
    'TIMESTAMP WITH TIME ZONE',
  ],
  [`TIMESTAMP '2024-01-01 00:00:00'`, { kind: 'timestamptz' }, '2024-01-01 00:00:00+00', 'TIMESTAMP WITH TIME ZONE'],
  [`TIME '01:02:03.000004'`, { kind: 'time' }, '01:02:03.000004', 'TIME'],
  [`encode('é')`, { kind: 'string' }, 'é', 'VARCHAR'],
  [`from_hex('${HEX.replaceAll('-', '')}')`, { kind: 'uuid' }, HEX, 'UUID'],
  [`from_hex('00ff')`, { kind: 'fixed', length: 2 }, '\\x00\\xFF', 'BLOB'],
  ['NULL::INTEGER', { kind: 'long' }, 'null', 'BIGINT'],
]
for (const [value, type, result, resultType] of CASES) {
  test(`${value} in a file is ${result} of ${type.kind}`, async () => {
    assert.deepEqual(await taken(value, type), [result, resultType])
  })
}

test('a type that cannot have come from a promotion is refused with the file and the column', async () => {
  const wrong: readonly [string, IcebergType][] = [
    ['7::BIGINT', { kind: 'int' }],
    [`'7'`, { kind: 'int' }],
    ['1.5::DOUBLE', { kind: 'float' }],
    ['1.255::DECIMAL(9,3)', { kind: 'decimal', precision: 9, scale: 2 }],
    [`TIMESTAMPTZ '2024-01-01 01:00:00+01'`, { kind: 'timestamp' }],
  ]
  for (const [value, type] of wrong) {
    await assert.rejects(taken(value, type), { code: 'SCHEMA', message: /f\.parquet: its column a/ })
  }
})

const PARTITIONS: readonly [value: number | bigint | string | boolean | Buffer, type: IcebergType, result: string][] = [
  ['it’s', { kind: 'string' }, 'it’s'],
  [19_000, { kind: 'date' }, '2022-01-08'],
  [-1n, { kind: 'timestamp' }, '1969-12-31 23:59:59.999999'],
  [1_000_000n, { kind: 'timestamptz' }, '1970-01-01 00:00:01+00'],
  [3_723_000_004n, { kind: 'time' }, '01:02:03.000004'],
  [9_007_199_254_740_993n, { kind: 'long' }, '9007199254740993'],
  [Buffer.from('ff', 'hex'), { kind: 'decimal', precision: 9, scale: 2 }, '-0.01'],
  [Buffer.from(HEX.replaceAll('-', ''), 'hex'), { kind: 'uuid' }, HEX],
  [0.1, { kind: 'double' }, '0.1'],
  [true, { kind: 'boolean' }, 'true'],
]
for (const [value, type, result] of PARTITIONS) {
  test(`a ${type.kind} that the file does not hold comes from its partition: ${result}`, async () => {
    const field = fieldOf(type)
    const columns = new FileColumns(footerOf(['b', 2]), fileOf(new Map([[1000, value]])), metadataOf({}), [field])
    assert.deepEqual(columns.read, [0])
    assert.equal((await evaluate(columns.sql(field, [{ text: 'INTEGER', parts: [] }])))[0], result)
  })
}

test('a column that is nowhere is NULL, also when the partition only knows a part of its value', async () => {
  const field = fieldOf({ kind: 'long' })
  const partition = new Map([[1000, 4n]])
  const columns = new FileColumns(footerOf(['b', 2]), fileOf(partition), metadataOf({}, 'bucket[8]'), [field])
  assert.deepEqual(await evaluate(columns.sql(field, [{ text: 'INTEGER', parts: [] }])), ['null', 'BIGINT'])
})

test('files without ids are read by the table’s name mapping, and refused without one', async () => {
  const field = fieldOf({ kind: 'int' }, 'now')
  const footer = footerOf(['x', undefined], ['old name', undefined])
  const mapping = { 'schema.name-mapping.default': '[{"field-id":1,"names":["now","old name"]}]' }
  assert.deepEqual(new FileColumns(footer, fileOf(), metadataOf(mapping), [field]).read, [1])
  assert.throws(() => new FileColumns(footer, fileOf(), metadataOf({}), [field]), {
    code: 'SCHEMA',
    message: /name-mapping/,
  })
})
