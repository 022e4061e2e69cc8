import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Schema } from '../../core/schema.ts'
import { openLaneDatabase } from '../../dataplane/index.ts'
import { testCoordinatorContext, testLaneContext } from '../../testkit/lane-context.ts'
import { sinkSuite, type OpenedSink } from '../../testkit/sink-suite.ts'
import { duckdbSinkOptions } from './options.ts'
import { DuckdbSink } from './sink.ts'

const SCHEMA: Schema = [{ name: 'id', type: 'bigint', nullable: false }]

async function open(): Promise<OpenedSink> {
  const baseDirectory = await mkdtemp(join(tmpdir(), 'millrace-duckdb-'))
  const path = join(baseDirectory, 'lake.duckdb')
  const database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
  const sink = new DuckdbSink(duckdbSinkOptions.parse({ path: 'lake.duckdb', table: 'rows' }))
  let tables = 0
  return {
    coordinator: () => sink.coordinator(testCoordinatorContext({ baseDirectory, schema: SCHEMA, lanes: 2 })),
    writer: (lane) =>
      sink.writer(testLaneContext({ baseDirectory, lane, lanes: 2, schema: SCHEMA, database: async () => database })),
    batch: async (from, to) => {
      const relation = `batch ${++tables}`
      await database.run(`CREATE TEMP TABLE "${relation}" AS SELECT i::BIGINT AS id FROM range(${from}, ${to}) AS r(i)`)
      const release = (): void => void database.run(`DROP TABLE "${relation}"`)
      const body = { kind: 'table', relation, schema: SCHEMA } as const
      return { kind: 'batch', split: 's', from: {}, next: {}, body, rows: to - from, bytes: 100, release }
    },
    visible: async () => {
      const instance = await DuckDBInstance.create(path)
      const connection = await instance.connect()
      try {
        const rows = (await connection.runAndReadAll('SELECT id::INTEGER FROM rows ORDER BY id')).getRows()
        return rows.map(([id]) => Number(id))
      } finally {
        connection.closeSync()
        instance.closeSync()
      }
    },
    [Symbol.asyncDispose]: async () => {
      await database.close()
      await rm(baseDirectory, { recursive: true, force: true })
    },
  }
}

sinkSuite('DuckDB', open)
