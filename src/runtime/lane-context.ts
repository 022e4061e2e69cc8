import type { BodyFormat } from '../core/batch.ts'
import type { Clock, LaneContext, Logger, Meter } from '../core/context.ts'
import type { Schema } from '../core/schema.ts'
import type { LaneDatabase } from '../dataplane/lane-database.ts'
import type { FileStore } from '../core/file-store.ts'
import { storeOpener } from '../storage/open-store.ts'
import { stateFilesOf, statePlaceOf } from '../storage/state-place.ts'
import { stagingAddressOf } from '../storage/state-place.ts'
import { keepsState } from '../plan/plan.ts'
import type { FromLane, LaneData, LogLevel } from './messages.ts'
import { systemClock } from './system-clock.ts'

const DATABASE_MEMORY_BYTES = 192 * 1024 * 1024
/** Of a lane that keeps state: a million keys and what it takes to merge them. What is more goes to disk. */
const KEEPING_MEMORY_BYTES = 384 * 1024 * 1024

/** What the steps of one lane share: its database, its way to the log and the meters. */
export class LaneServices {
  readonly #data: LaneData
  readonly #tell: (message: FromLane) => void
  readonly clock: Clock
  #database: Promise<LaneDatabase> | undefined
  #stateStore: Promise<FileStore> | undefined
  #spill: { remove(): void } | undefined

  constructor(data: LaneData, tell: (message: FromLane) => void, clock: Clock = systemClock) {
    this.#data = data
    this.#tell = tell
    this.clock = clock
  }

  /** The lane's DuckDB, loaded and opened when the first step asks for it: a lane that passes bytes on starts sooner. */
  database(): Promise<LaneDatabase> {
    this.#database ??= this.#openDatabase()
    return this.#database
  }

  async #openDatabase(): Promise<LaneDatabase> {
    const { openLaneDatabase } = await import('../dataplane/lane-database.ts')
    if (!keepsState(this.#data.plan)) return openLaneDatabase({ memoryLimitBytes: DATABASE_MEMORY_BYTES })
    const { makeSpillDirectory } = await import('./state/spill-directory.ts')
    const spill = makeSpillDirectory()
    this.#spill = spill
    return openLaneDatabase({ memoryLimitBytes: KEEPING_MEMORY_BYTES, tempDirectory: spill.path })
  }

  /** Where steps keep their state. */
  stateStore(): Promise<FileStore> {
    const { plan } = this.#data
    this.#stateStore ??= storeOpener(plan.s3)(stateFilesOf(statePlaceOf(plan)))
    return this.#stateStore
  }

  async close(): Promise<void> {
    await (await this.#database)?.close()
    this.#spill?.remove()
  }

  context(
    id: string,
    format: BodyFormat,
    schema: Schema | undefined,
    metadata: readonly string[],
    more: Pick<LaneContext, 'reads' | 'prune' | 'tables' | 'takesBroken' | 'keepsRaw' | 'isForSql'> = {},
  ): LaneContext {
    const { plan, lane, lanes } = this.#data
    return {
      job: plan.name,
      id,
      baseDirectory: plan.baseDirectory,
      log: this.#logger(id),
      clock: this.clock,
      lane,
      lanes,
      meter: this.#meter(id),
      times: plan.times,
      delivery: plan.mode,
      format,
      schema,
      metadata,
      ...more,
      openStore: storeOpener(plan.s3),
      openStaging: () => storeOpener(plan.s3)(stagingAddressOf(plan, id)),
      database: () => this.database(),
    }
  }

  #logger(id: string): Logger {
    const at =
      (level: LogLevel): Logger['info'] =>
      (message, detail) =>
        this.#tell({ kind: 'log', level, message, detail: { step: id, lane: this.#data.lane, ...(detail as object) } })
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  #meter(id: string): Meter {
    return {
      count: (name, by, labels) => this.#tell({ kind: 'count', name, by, labels: { sink: id, ...labels } }),
      observe: (name, seconds) => this.#tell({ kind: 'observe', name, seconds }),
    }
  }
}
