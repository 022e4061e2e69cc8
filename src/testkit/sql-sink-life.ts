import type { CommitPermit, Finding } from '../core/checkpoint-types.ts'
import type { JsonObject } from '../core/json.ts'
import type { Schema } from '../core/schema.ts'
import type { GlobalCommittable, Sink, SinkCoordinator, SinkWriter } from '../core/sink.ts'
import { testCoordinatorContext, testLaneContext, testSourceContext } from './lane-context.ts'
import { LaneTables, makeSqlSink, type AnySqlSink, type SqlTarget } from './sql-target.ts'

/** One run epoch of an SQL sink with one lane, driven as the runtime does it. */
export class SqlSinkLife implements AsyncDisposable {
  readonly #sink: Sink
  readonly #schema: Schema
  readonly #tables: LaneTables
  readonly #epoch: number
  readonly coordinator: SinkCoordinator
  readonly writer: SinkWriter
  #checkpoint = 0

  private constructor(sink: Sink, schema: Schema, tables: LaneTables, epoch: number) {
    this.#sink = sink
    this.#schema = schema
    this.#tables = tables
    this.#epoch = epoch
    this.coordinator = sink.coordinator(testCoordinatorContext({ schema, lanes: 1 }))
    const format = { kind: 'table' } as const
    this.writer = sink.writer(testLaneContext({ schema, format, database: async () => tables.database }))
  }

  /** `rows` is a SELECT of DuckDB with the columns that every write will have. */
  static async begin(
    connector: AnySqlSink,
    target: SqlTarget,
    options: Readonly<Record<string, unknown>>,
    { rows, epoch = 1, checkpoint = 1 }: { rows: string; epoch?: number; checkpoint?: number },
  ): Promise<SqlSinkLife> {
    const tables = await LaneTables.open()
    const schema = await tables.schema(rows)
    const life = new SqlSinkLife(await makeSqlSink(connector, target, options), schema, tables, epoch)
    await life.ticket(checkpoint)
    return life
  }

  check(): Promise<readonly Finding[]> {
    const times = { intervalMs: 10_000, timeoutMs: 60_000, maxDowntimeMs: 3_600_000, retained: 3 }
    return this.#sink.check({ ...testSourceContext(), times, schema: this.#schema, lanes: 1 })
  }

  async ticket(checkpoint: number): Promise<void> {
    this.#checkpoint = checkpoint
    this.writer.begin(checkpoint, await this.coordinator.begin(checkpoint, this.#epoch))
  }

  async write(select: string): Promise<void> {
    await this.writer.write(await this.#tables.batch(select))
  }

  /** The barrier: what a manifest would carry. */
  async cut(): Promise<readonly GlobalCommittable[]> {
    const checkpoint = this.#checkpoint++
    const ticket: JsonObject = await this.coordinator.begin(this.#checkpoint, this.#epoch)
    const { committables } = await this.writer.cut({ checkpoint: this.#checkpoint, ticket })
    return await this.coordinator.combine(checkpoint, committables)
  }

  async commit(all: readonly GlobalCommittable[]): Promise<string[]> {
    const outcomes: string[] = []
    for (const { committable } of all) {
      const permit = { checkpoint: Number(committable['checkpoint']), epoch: this.#epoch } as CommitPermit
      outcomes.push((await this.coordinator.commit(permit, committable)).outcome)
    }
    return outcomes
  }

  /** Rows on their way into the table: a whole checkpoint. */
  async load(...selects: readonly string[]): Promise<void> {
    for (const select of selects) await this.write(select)
    await this.commit(await this.cut())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer.close()
    await this.coordinator.close()
    await this.#tables[Symbol.asyncDispose]()
  }
}
