import type { SplitId, SplitPosition } from '../../core/batch.ts'
import type { SourceTable } from '../../core/changes.ts'
import type { AcknowledgePermit } from '../../core/checkpoint-types.ts'
import type { SourceContext } from '../../core/context.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment, SplitEnumerator } from '../../core/source.ts'
import { PgConnection, readSlot, TypeCatalog, type Lsn } from '../../clients/postgres-replication/index.ts'
import { Confirmations } from './confirmations.ts'
import { planSplits } from './chunk-plan.ts'
import { connect, connectionOptions } from './connect.ts'
import { sourceTableOf } from './followed-table.ts'
import { Headroom } from './headroom.ts'
import { namesOf, type Names } from './names.ts'
import type { PostgresCdcOptions } from './options.ts'
import { ensurePublication, ensureSlot, settle } from './prepare.ts'
import { Rounds } from './rounds.ts'
import { chunkEndFromJson, WAL, walAfter, walSpecToJson } from './split.ts'
import { firstReads, walPositionFromJson, walPositionToJson } from './wal-position.ts'
import { wantedTables } from './wanted-tables.ts'
import { identify, verifyPositions } from './verify-position.ts'

const LOOK_MS = 1000

/** Plans the initial read, and lets the log follow when all of it is published. */
export class PostgresEnumerator implements SplitEnumerator {
  readonly moment: string | undefined
  readonly #options: PostgresCdcOptions
  readonly #context: SourceContext
  readonly #names: Names
  readonly #confirmations: Confirmations
  readonly #headroom = new Headroom()
  readonly #rounds: Rounds
  /** The log is still to be found. */
  #hasLog: boolean

  constructor(options: PostgresCdcOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#names = namesOf(options, context)
    this.#confirmations = new Confirmations(this.#names.application, context.times.retained)
    this.#rounds = new Rounds(options, context, this.#names)
    this.#hasLog = options.end !== 'snapshot'
    this.moment = options.start === 'latest' ? 'latest' : undefined
  }

  /** Nothing more is looked for when the log, or all that there is, was found. */
  get discoveryIntervalMs(): number | undefined {
    return this.#hasLog || this.#rounds.isUnderWay ? LOOK_MS : undefined
  }

  async verify(restored: readonly SplitAssignment[]): Promise<void> {
    if (restored.length === 0) return
    for (const { split, spec, at } of restored) if (split === WAL) this.#rounds.published(at, spec)
    await using connection = await this.#replication()
    await verifyPositions(connection, this.#options.end === 'snapshot' ? undefined : this.#names.slot, restored)
  }

  async discover(
    known: ReadonlySet<SplitId>,
    first: boolean,
    _finished?: ReadonlySet<SplitId>,
    ends: ReadonlyMap<SplitId, JsonObject> = new Map(),
  ): Promise<readonly SplitAssignment[]> {
    if (first) return (await this.#begin()).filter(({ split }) => !known.has(split))
    if (known.has(WAL)) {
      this.#hasLog = false
      return await this.#rounds.discover(known, ends, () => connect(this.#options, this.#names.application))
    }
    const isRead = known.size > 0 && [...known].every((split) => ends.has(split))
    if (this.#options.end === 'snapshot' || !isRead) return []
    return [await this.#wal(ends)]
  }

  /** Bytes of the server's log: how many rows they hold is only known when they are read. */
  async lag(positions: readonly SplitPosition[]): Promise<ReadonlyMap<SplitId, number>> {
    const wal = positions.find(({ split }) => split === WAL)
    if (wal === undefined) return new Map()
    await using connection = await this.#replication()
    const { end } = await identify(connection)
    const { lsn } = walPositionFromJson(wal.next)
    return new Map([[WAL, end > lsn ? Number(end - lsn) : 0]])
  }

  async headroomSeconds(): Promise<number | undefined> {
    if (this.#options.end === 'snapshot') return undefined
    await using connection = await this.#replication()
    const { end } = await identify(connection)
    const slot = await readSlot(connection, this.#names.slot)
    return this.#headroom.look(slot, end, this.#context.clock.now())
  }

  async acknowledge(positions: readonly SplitPosition[], _permit: AcknowledgePermit): Promise<void> {
    const wal = positions.find(({ split }) => split === WAL)
    if (wal !== undefined) this.#rounds.published(wal.next)
    const needed = this.#rounds.needed(positions)
    if (needed !== undefined) this.#confirmations.confirmed(needed)
  }

  async close(): Promise<void> {
    this.#rounds.close()
    this.#confirmations.close()
  }

  async tables(): Promise<readonly SourceTable[]> {
    const { tables, changeColumns } = this.#options
    if (tables === undefined) return []
    await using connection = await connect(this.#options, this.#names.application)
    const found = await wantedTables(connection, new TypeCatalog(), this.#options)
    return found.map((table) => sourceTableOf(table, changeColumns))
  }

  async #begin(): Promise<readonly SplitAssignment[]> {
    const options = this.#options
    await using connection = await connect(options, this.#names.application)
    const tables = await wantedTables(connection, new TypeCatalog(), options)
    const { system, timeline, end } = await this.#identify()
    const how = { system, round: 0, chunkRows: options.chunkRows }
    if (options.end === 'snapshot') return await planSplits(connection, tables, { ...how, start: 0n })
    await ensurePublication(connection, this.#names.publication, tables)
    const start = await ensureSlot(connection, this.#names, this.#context.log)
    if (options.start === 'latest') {
      const followed = tables.map(({ schema, name }) => ({ schema, name, chunks: [], high: 0n }))
      return [this.#walSplit({ start, spec: { system, tables: followed } }, { timeline, end })]
    }
    await settle(connection, this.#context)
    return await planSplits(connection, tables, { ...how, start })
  }

  /** The log behind the chunks, from where the slot began. */
  async #wal(ends: ReadonlyMap<SplitId, JsonObject>): Promise<SplitAssignment> {
    const server = await this.#identify()
    return this.#walSplit(walAfter([...ends].map(([split, end]) => chunkEndFromJson(split, end))), server)
  }

  #walSplit(
    { start, spec }: ReturnType<typeof walAfter>,
    { timeline, end }: { readonly timeline: number; readonly end: Lsn },
  ): SplitAssignment {
    const place = { row: 0, timeline, ahead: new Map(), reads: firstReads(this.#options) }
    const until = this.#options.end === 'latest' ? { until: walPositionToJson({ lsn: end, ...place }) } : {}
    const split = { spec: walSpecToJson(spec), at: walPositionToJson({ lsn: start, ...place }) }
    this.#rounds.published(split.at, split.spec)
    return { split: WAL, ...split, ...until }
  }

  async #identify(): ReturnType<typeof identify> {
    await using connection = await this.#replication()
    return await identify(connection)
  }

  #replication(): Promise<PgConnection> {
    return PgConnection.open({ ...connectionOptions(this.#options, this.#names.application), isReplication: true })
  }
}
