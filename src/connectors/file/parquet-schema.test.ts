import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { DiskPlace } from './disk-place.ts'
import { parquetSchema } from './parquet-schema.ts'

test('a Parquet file tells its columns, as the pipeline file would write them', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-parquet-'))
  try {
    const connection = await (await DuckDBInstance.create()).connect()
    await connection.run(
      `COPY (SELECT 1::BIGINT AS id, 1.5::DECIMAL(12,2) AS amount, 'x' AS name, now() AS at, DATE '2026-01-01' AS day)
       TO '${join(directory, 'a.parquet')}' (FORMAT parquet)`,
    )
    const schema = await parquetSchema(new DiskPlace('*.parquet', directory))
    assert.deepEqual(
      schema?.map(({ name, type }) => `${name} ${type}`),
      ['id bigint', 'amount decimal(12,2)', 'name varchar', 'at timestamptz', 'day date'],
    )
    assert.equal(await parquetSchema(new DiskPlace('nothing-*.parquet', directory)), undefined)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
