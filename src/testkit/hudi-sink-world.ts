import assert from 'node:assert/strict'
import type { Batch } from '../core/batch.ts'
import type { CommitPermit } from '../core/checkpoint-types.ts'
import type { CoordinatorContext } from '../core/context.ts'
import type { JsonObject } from '../core/json.ts'
import type { Schema } from '../core/schema.ts'
import type { SinkCoordinator, SinkWriter } from '../core/sink.ts'
import { type LaneDatabase, openLaneDatabase } from '../dataplane/index.ts'
import { viewHudiTable } from './hudi-checker.ts'
import { testLaneContext, testSourceContext } from './lane-context.ts'
import { openTemporaryStore, type TemporaryStore } from './temporary-store.ts'
import { decodeCommit } from '../connectors/hudi/commit-metadata.ts'
import { hudiSinkOptions, type HudiSinkOptions } from '../connectors/hudi/options.ts'
import { HudiSink } from '../connectors/hudi/sink.ts'
import { loadTimeline, readInstant } from '../connectors/hudi/timeline.ts'

export const SCHEMA: Schema = [
  { name: 'id', type: 'bigint', nullable: false },
  { name: 'amount', type: 'decimal(12,2)', nullable: true },
  { name: 'ts', type: 'timestamp(3)', nullable: true },
  { name: 'dt', type: 'varchar', nullable: true },
]
export const PERMIT = {} as CommitPermit

export interface World extends AsyncDisposable {
  readonly temporary: TemporaryStore
  readonly database: LaneDatabase
  readonly coordinator: SinkCoordinator
  writer(lane: number): SinkWriter
  batch(from: number, to: number, schema?: Schema, extra?: string): Promise<Batch>
}

export async function commitCut(world: World, writer: SinkWriter, checkpoint: number): Promise<void> {
  const { coordinator } = world
  const next = { checkpoint: checkpoint + 1, ticket: await coordinator.begin(checkpoint + 1, checkpoint) }
  const { committables } = await writer.cut(next)
  const [combined] = await coordinator.combine(checkpoint, committables)
  const json = JSON.parse(JSON.stringify(combined?.committable)) as JsonObject
  assert.deepEqual(await coordinator.commit(PERMIT, json), { outcome: 'committed' })
}

/** The schemas of all commits, oldest first. */
export async function commitSchemas({ temporary: { store } }: World): Promise<string[]> {
  const { completedWrites } = await loadTimeline(store)
  const files = completedWrites.map((instant) => readInstant(store, instant, 'completed'))
  return (await Promise.all(files)).map((bytes) => decodeCommit(bytes ?? Buffer.from(''), '').extra['schema'] ?? '')
}

export function fieldNames(schema: string | undefined): string[] {
  const { fields } = JSON.parse(schema ?? '{}') as { fields?: { name: string }[] }
  return (fields ?? []).map(({ name }) => name)
}

export async function openWorld(options: Partial<HudiSinkOptions> = {}, schema: Schema = SCHEMA): Promise<World> {
  const temporary = await openTemporaryStore()
  const database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
  const defaults = hudiSinkOptions.parse({ path: temporary.path, table: 'lake', partitionBy: ['dt'] })
  const sink = new HudiSink({ ...defaults, ...options })
  const openStore: CoordinatorContext['openStore'] = async () => temporary.store
  let tables = 0
  return {
    temporary,
    database,
    coordinator: sink.coordinator({ ...testSourceContext(), schema, lanes: 2, delivery: 'two-phase', openStore }),
    writer: (lane) =>
      sink.writer(testLaneContext({ lane, lanes: 2, schema, openStore, database: async () => database })),
    batch: async (from, to, columns = schema, extra = '1 AS unused') => {
      const relation = `batch ${++tables}`
      await database.run(
        `CREATE TEMP TABLE "${relation}" AS SELECT ${extra}, i::BIGINT AS id, (i * 1.25)::DECIMAL(12,2) AS amount,
         TIMESTAMP_MS '2026-11-21 10:00:00.123' AS ts, '2026-11-' || (19 + i % 2) AS dt FROM range(${from}, ${to}) AS r(i)`,
      )
      const release = (): void => void database.run(`DROP TABLE "${relation}"`)
      const at = { split: 's', from: {}, next: {} }
      return {
        kind: 'batch',
        ...at,
        body: { kind: 'table', relation, schema: columns },
        rows: to - from,
        bytes: 100,
        release,
      }
    },
    [Symbol.asyncDispose]: async () => {
      await database.close()
      await temporary[Symbol.asyncDispose]()
    },
  }
}

/** What a reader of the table finds: number of rows, distinct ids, distinct row names, sum of the amounts. */
export async function read(world: World): Promise<{ rows: bigint; ids: bigint; names: bigint; sum: string }> {
  const { snapshot, problems } = await viewHudiTable(world.temporary.store)
  assert.deepEqual(problems, [])
  await world.database.run(
    'CREATE OR REPLACE TEMP TABLE visible (id BIGINT, amount DECIMAL(38,2), name VARCHAR, file VARCHAR, path VARCHAR)',
  )
  for (const path of snapshot) {
    const bytes = (await world.temporary.store.read(path)) ?? Buffer.from('')
    world.database.input.write(bytes, bytes.byteLength)
    await world.database.run(
      `INSERT INTO visible SELECT id, amount, _hoodie_commit_seqno, ltrim(_hoodie_partition_path || '/' || _hoodie_file_name, '/'),
       '${path}' FROM read_parquet('${world.database.input.path}')`,
    )
  }
  const [row] = await world.database.run(
    `SELECT count(*), count(DISTINCT id), count(DISTINCT name), sum(amount)::VARCHAR,
     count(*) FILTER (file IS DISTINCT FROM path) FROM visible`,
  )
  assert.equal(row?.[4], 0n, 'the meta columns name the file that the row is in')
  return {
    rows: row?.[0] as bigint,
    ids: row?.[1] as bigint,
    names: row?.[2] as bigint,
    sum: String(row?.[3]),
  }
}
