import { setTimeout as pause } from 'node:timers/promises'
import type { CommitPermit } from '../core/checkpoint-types.ts'
import type { JsonObject } from '../core/json.ts'
import type { Schema } from '../core/schema.ts'
import { hudiSinkOptions, type HudiSinkOptions } from '../connectors/hudi/options.ts'
import { HudiSink } from '../connectors/hudi/sink.ts'
import { openLaneDatabase } from '../dataplane/index.ts'
import { realClock, silentLog, testCoordinatorContext, testLaneContext } from './lane-context.ts'
import { openTemporaryStore, type TemporaryStore } from './temporary-store.ts'

/** A Hudi table that one lane of the sink loads, checkpoint after checkpoint, without the engine around it. */
export interface HudiLake extends AsyncDisposable {
  readonly path: string
  readonly store: TemporaryStore['store']
  /** Writes rows with these ids and cuts: what has to be committed, oldest first. */
  prepare(from: number, to: number): Promise<readonly JsonObject[]>
  commit(committables: readonly JsonObject[]): Promise<void>
  /** A whole checkpoint. */
  load(from: number, to: number): Promise<void>
}

/** `id`, `amount` (1.25 for each id), `ts` (one of three days), `note` (some are null). */
export const LAKE_SCHEMA: Schema = [
  { name: 'id', type: 'bigint', nullable: false },
  { name: 'amount', type: 'decimal(12,2)', nullable: true },
  { name: 'ts', type: 'timestamp(3)', nullable: true },
  { name: 'note', type: 'varchar', nullable: true },
]

const ROWS = `i::BIGINT AS id, (i * 1.25)::DECIMAL(12,2) AS amount,
  (TIMESTAMP '2026-11-19 10:00:00.123' + INTERVAL (i % 3) DAY)::TIMESTAMP_MS AS ts,
  CASE WHEN i % 5 = 0 THEN NULL ELSE 'note ' || i END AS note`

export interface HudiLakeOptions {
  readonly options?: Partial<HudiSinkOptions>
  /** A lake that is there already; it stays. */
  readonly on?: Pick<HudiLake, 'path' | 'store'>
  readonly epoch?: number
  /** `LAKE_SCHEMA`, and perhaps further columns of integers that are the id. */
  readonly schema?: Schema
}

export async function openHudiLake(given: HudiLakeOptions = {}): Promise<HudiLake> {
  const { options = {}, on, epoch = 1, schema = LAKE_SCHEMA } = given
  const temporary = on === undefined ? await openTemporaryStore() : undefined
  const { path, store } = on ?? { path: temporary?.path ?? '', store: temporary?.store as TemporaryStore['store'] }
  const database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
  const sink = new HudiSink({ ...hudiSinkOptions.parse({ path, table: 'lake' }), ...options })
  const engine = { openStore: async () => store, schema, lanes: 1, log: silentLog, clock: realClock }
  const coordinator = sink.coordinator(testCoordinatorContext(engine))
  const writer = sink.writer(testLaneContext({ ...engine, lane: 0, database: async () => database }))
  await coordinator.sweep({ below: epoch, runs: [], keep: [] })
  let checkpoint = 1
  writer.begin(checkpoint, await coordinator.begin(checkpoint, epoch))
  const prepare = async (from: number, to: number): Promise<readonly JsonObject[]> => {
    const relation = `rows_${checkpoint}`
    const more = schema.slice(LAKE_SCHEMA.length).map(({ name }) => `, i::INTEGER AS ${name}`)
    await database.run(
      `CREATE TEMP TABLE ${relation} AS SELECT ${ROWS}${more.join('')} FROM range(${from}, ${to}) AS r(i)`,
    )
    const body = { kind: 'table', relation, schema } as const
    const release = (): void => void database.run(`DROP TABLE ${relation}`)
    const place = { split: 's', from: {}, next: {} }
    await writer.write({ kind: 'batch', ...place, body, rows: to - from, bytes: 100, release })
    const next = { checkpoint: checkpoint + 1, ticket: await coordinator.begin(checkpoint + 1, epoch) }
    const { committables } = await writer.cut(next)
    const combined = await coordinator.combine(checkpoint++, committables)
    return combined.map(({ committable }) => JSON.parse(JSON.stringify(committable)) as JsonObject)
  }
  const commit = async (committables: readonly JsonObject[]): Promise<void> => {
    for (const committable of committables) {
      const { outcome } = await coordinator.commit({} as CommitPermit, committable)
      if (!outcome.endsWith('committed')) throw new Error(`the commit came to ${outcome}`)
    }
  }
  return {
    ...{ path, store, prepare, commit },
    load: async (from, to) => commit(await prepare(from, to)),
    [Symbol.asyncDispose]: async () => {
      await writer.close()
      await coordinator.close()
      await database.close()
      await temporary?.[Symbol.asyncDispose]()
    },
  }
}

/** Waits until the condition holds. The test's time limit ends it. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(5)
}
