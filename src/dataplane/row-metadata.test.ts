import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openLaneDatabase } from './lane-database.ts'
import { openQuery } from './query.ts'
import { METADATA_COLUMNS, type MetadataName, type RowMetadata } from './row-metadata.ts'
import { parseColumnType } from './types.ts'

async function run(lines: string[], names: MetadataName[], metadata: RowMetadata, sql: string): Promise<string> {
  await using database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
  const columns = [{ name: 'id', type: parseColumnType('bigint'), nullable: true }]
  const input = { format: 'ndjson', name: 't', columns, metadata: names } as const
  const query = await openQuery(database, { input, sql, output: { format: 'ndjson' } })
  const buffer = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  const result = await query.run({ buffer, length: buffer.length, rows: lines.length }, undefined, metadata)
  query.close()
  return result.ok ? result.buffer.toString('utf8', 0, result.length) : JSON.stringify(result.errors)
}

const NAMES = METADATA_COLUMNS.map(({ name }) => name as MetadataName)

test('metadata stands beside the rows that it belongs to, exactly', async () => {
  const lines = ['{"id":1,"_offset":"of the record itself"}', '{}', ' { } ', ' { "id" : 2}']
  const out = await run(
    lines,
    NAMES,
    {
      _offset: BigInt64Array.of(0n, 9007199254740993n, 9223372036854775807n, 123456789012345n),
      _partition: Int32Array.of(0, 1, -1, 2147483647),
      _timestamp: BigInt64Array.of(1700000000123n, -1n, 0n, 1n),
      _key: [Buffer.from([0, 255]), null, Buffer.alloc(0), Buffer.from('key')],
      _headers: ['{"a":1.10}', null, '{"b":"\\"ü"}', '{}'],
    },
    'SELECT id, _offset AS o, _partition AS p, _timestamp AS t, _key AS k, _headers AS h FROM t',
  )
  assert.deepEqual(out.trimEnd().split('\n'), [
    '{"id":1,"o":0,"p":0,"t":"2023-11-14 22:13:20.123+00","k":"AP8=","h":{"a":1.10}}',
    '{"id":null,"o":9007199254740993,"p":1,"t":null,"k":null,"h":null}',
    '{"id":null,"o":9223372036854775807,"p":-1,"t":"1970-01-01 00:00:00+00","k":"","h":{"b":"\\"ü"}}',
    '{"id":2,"o":123456789012345,"p":2147483647,"t":"1970-01-01 00:00:00.001+00","k":"a2V5","h":{}}',
  ])
})

test('an error still tells the place in the piece that was handed in', async () => {
  const sql = "SELECT CASE WHEN id = 3 THEN error('x') ELSE id END AS id, _offset AS o FROM t"
  const out = await run(['{"id":1}', '{"id":3}'], ['_offset'], { _offset: BigInt64Array.of(1n, 2n) }, sql)
  assert.match(out, /"row":1,"byteStart":9,"byteEnd":17/)
})
