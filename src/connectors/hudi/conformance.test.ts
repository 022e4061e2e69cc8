import assert from 'node:assert/strict'
import type { CoordinatorContext } from '../../core/context.ts'
import type { Schema } from '../../core/schema.ts'
import { openLaneDatabase } from '../../dataplane/index.ts'
import { viewHudiTable } from '../../testkit/hudi-checker.ts'
import { testCoordinatorContext, testLaneContext } from '../../testkit/lane-context.ts'
import { sinkSuite, type OpenedSink } from '../../testkit/sink-suite.ts'
import { openTemporaryStore } from '../../testkit/temporary-store.ts'
import { hudiSinkOptions } from './options.ts'
import { HudiSink } from './sink.ts'

const SCHEMA: Schema = [{ name: 'id', type: 'bigint', nullable: false }]

async function open(): Promise<OpenedSink> {
  const temporary = await openTemporaryStore()
  const database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
  const sink = new HudiSink(hudiSinkOptions.parse({ path: temporary.path, table: 'lake' }))
  const openStore: CoordinatorContext['openStore'] = async () => temporary.store
  let tables = 0
  return {
    coordinator: () => sink.coordinator(testCoordinatorContext({ schema: SCHEMA, lanes: 2, openStore })),
    writer: (lane) =>
      sink.writer(testLaneContext({ lane, lanes: 2, schema: SCHEMA, openStore, database: async () => database })),
    batch: async (from, to) => {
      const relation = `batch ${++tables}`
      await database.run(`CREATE TEMP TABLE "${relation}" AS SELECT i::BIGINT AS id FROM range(${from}, ${to}) AS r(i)`)
      const release = (): void => void database.run(`DROP TABLE "${relation}"`)
      const body = { kind: 'table', relation, schema: SCHEMA } as const
      return { kind: 'batch', split: 's', from: {}, next: {}, body, rows: to - from, bytes: 100, release }
    },
    visible: async () => {
      const { snapshot, problems } = await viewHudiTable(temporary.store)
      assert.deepEqual(problems, [])
      const ids: number[] = []
      for (const path of snapshot) {
        const bytes = (await temporary.store.read(path)) ?? Buffer.from('')
        database.input.write(bytes, bytes.byteLength)
        const rows = await database.run(`SELECT id::INTEGER FROM read_parquet('${database.input.path}')`)
        ids.push(...rows.map(([id]) => Number(id)))
      }
      return ids.sort((a, b) => a - b)
    },
    [Symbol.asyncDispose]: async () => {
      await database.close()
      await temporary[Symbol.asyncDispose]()
    },
  }
}

sinkSuite('Hudi', open)
