/** The documents of single values, over literals of DuckDB in place of a file's columns. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { IcebergField, IcebergType } from '../../clients/iceberg/index.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/index.ts'
import type { FileType, ParquetElement } from '../../dataplane/parquet-source/index.ts'
import { nestedJson } from './nested-json.ts'

let database: LaneDatabase
before(async () => void (database = await openLaneDatabase({ memoryLimitBytes: 64 * 1024 * 1024 })))
after(() => database.close())

const PLAIN: FileType = { text: '', parts: [] }
const leaf = (id: number, name: string, type: IcebergType): IcebergField => ({ id, name, required: false, type })
const struct = (...fields: IcebergField[]): IcebergField => leaf(1, 'column', { kind: 'struct', fields })
const element = (fieldId: number | undefined, ...children: ParquetElement[]): ParquetElement => ({ fieldId, children })
const typeOf = (...parts: FileType[]): FileType => ({ text: '', parts })

async function document(sql: string, type: FileType, place: ParquetElement, field: IcebergField): Promise<string> {
  const json = nestedJson({ sql: 'v', type, element: place }, field, {
    leaf: (value) => value.sql,
    refuse: (why) => {
      throw new Error(`refused ${why}`)
    },
  })
  const [[text] = []] = await database.run(`SELECT CAST(${json} AS VARCHAR) FROM (SELECT ${sql} AS v)`)
  return String(text)
}

const VALUES: readonly [sql: string, type: IcebergType, json: string][] = [
  [`'NaN'::DOUBLE`, { kind: 'double' }, '"nan"'],
  [`'-Infinity'::FLOAT`, { kind: 'float' }, '"-inf"'],
  ['0.1::FLOAT', { kind: 'float' }, '0.1'],
  ['NULL::DOUBLE', { kind: 'double' }, 'null'],
  ['9223372036854775807', { kind: 'long' }, '9223372036854775807'],
  ['-0.01::DECIMAL(38,20)', { kind: 'decimal', precision: 38, scale: 20 }, '"-0.01000000000000000000"'],
  [`DATE '1600-02-29'`, { kind: 'date' }, '"1600-02-29"'],
  [`TIME '01:02:03.000004'`, { kind: 'time' }, '"01:02:03.000004"'],
  [`from_hex('00ff')`, { kind: 'binary' }, '"00ff"'],
  [`'a"\\' || chr(10)`, { kind: 'string' }, '"a\\"\\\\\\n"'],
]
for (const [sql, type, json] of VALUES) {
  test(`${sql} is ${json}`, async () => {
    const text = await document(`{'a': ${sql}}`, typeOf(PLAIN), element(1, element(2)), struct(leaf(2, 'now', type)))
    assert.equal(text, `{"now":${json}}`)
  })
}

test('fields whose names differ only in case are told apart', async () => {
  const fields = struct(leaf(3, 'a', { kind: 'int' }), leaf(2, 'A', { kind: 'int' }))
  const text = await document(`{'x': 1, 'y': 2}`, typeOf(PLAIN, PLAIN), element(1, element(2), element(3)), fields)
  assert.equal(text, '{"a":2,"A":1}')
})

test('keys of a map that are no text become one', async () => {
  const field = leaf(1, 'm', {
    kind: 'map',
    fields: [leaf(2, 'key', { kind: 'date' }), leaf(3, 'value', { kind: 'int' })],
  })
  const place = element(1, element(undefined, element(2), element(3)))
  const text = await document(`map {DATE '2026-01-02': 1}`, typeOf(PLAIN, PLAIN), place, field)
  assert.equal(text, '{"2026-01-02":1}')
})

test('a file without the ids of what is nested, or with something else there, is refused', async () => {
  const field = struct(leaf(2, 'a', { kind: 'int' }))
  const list = leaf(1, 'l', { kind: 'list', fields: [leaf(2, 'element', { kind: 'int' })] })
  await assert.rejects(document(`{'a': 1}`, typeOf(PLAIN), element(1, element(undefined)), field), /as a struct/)
  await assert.rejects(document('1', PLAIN, element(1), field), /as a struct/)
  const ofOtherId = element(1, element(undefined, element(7)))
  await assert.rejects(document('[1]', typeOf(PLAIN), ofOtherId, list), /as a list/)
  // Two levels, as old writers of other formats made them.
  await assert.rejects(document('[1]', typeOf(PLAIN), element(1, element(2)), list), /as a list/)
})
