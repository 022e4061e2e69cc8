import type { SplitId, SplitPosition } from '../../core/batch.ts'
import type { SourceTable } from '../../core/changes.ts'
import type { SourceContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment, SplitEnumerator } from '../../core/source.ts'
import type { MysqlConnection } from '../../clients/mysql-replication/index.ts'
import { logKeptSeconds } from './check-settings.ts'
import { openConnection } from './connect.ts'
import { endOfLog, placeBehind, preparedTransactions, verifyPlace, visibleUpTo, writtenUpTo } from './log-place.ts'
import type { MysqlCdcOptions } from './options.ts'
import { firstReads } from './log-reads.ts'
import { planChunks } from './plan-chunks.ts'
import { readTables, type FoundTable } from './read-tables.ts'
import { assertSame, Rounds } from './rounds.ts'
import {
  chunkPosition,
  chunkSpec,
  isChunk,
  LOG_SPLIT,
  logPosition,
  logSpec,
  toJson,
  type LogPosition,
} from './split.ts'
import type { Place } from './stored-place.ts'
import { shapeDigest } from './table-shape.ts'

/** A finished chunk wakes the search at once; this is for nothing but the unforeseen. */
const DISCOVERY_MS = 10_000
/** While tables join the log: its published position is looked at so often. */
const ROUND_MS = 1000
/** Prepared transactions live for moments, unless somebody has forgotten them. */
const XA_TRIES = 50
const XA_PAUSE_MS = 200

/**
 * Deals the initial rows out in chunks at the first start, all of one moment, and gives the log out once every chunk was
 * read to its end and that is published.
 */
export class MysqlCdcEnumerator implements SplitEnumerator {
  readonly moment: string
  readonly #options: MysqlCdcOptions
  readonly #context: SourceContext
  readonly #rounds: Rounds
  #isLogFound: boolean

  constructor(options: MysqlCdcOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.moment = typeof options.start === 'string' ? options.start : `behind ${options.start.gtid}`
    this.#isLogFound = options.start !== 'initial'
    this.#rounds = new Rounds(options, context)
  }

  /** Behind the log there is nothing to find, unless other tables were asked for. */
  get discoveryIntervalMs(): number | undefined {
    if (!this.#isLogFound) return DISCOVERY_MS
    return this.#rounds.isUnderWay ? ROUND_MS : undefined
  }

  async verify(restored: readonly SplitAssignment[]): Promise<void> {
    if (restored.length === 0) return
    await this.#ask(async (connection) => {
      for (const { spec, at } of restored) {
        this.#assertTables(spec)
        if (!isChunk(spec)) this.#rounds.published({ spec, at })
        await verifyPlace(connection, isChunk(spec) ? chunkSpec(spec).place : logPosition(at).place)
      }
    })
  }

  async discover(
    known: ReadonlySet<SplitId>,
    first: boolean,
    finished: ReadonlySet<SplitId> = new Set(),
    ends: ReadonlyMap<SplitId, JsonObject> = new Map(),
  ): Promise<readonly SplitAssignment[]> {
    if (known.has(LOG_SPLIT)) {
      this.#isLogFound = true
      return this.#rounds.isUnderWay ? await this.#ask((connection) => this.#round(connection, known, ends)) : []
    }
    if (first) {
      return await this.#ask((connection) =>
        this.#options.start === 'initial' ? this.#chunks(connection, known) : this.#logAlone(connection),
      )
    }
    if (known.size === 0 || [...known].some((split) => !finished.has(split))) return []
    return await this.#ask((connection) => this.#logBehind(connection, ends))
  }

  async tables(): Promise<readonly SourceTable[]> {
    const found = await this.#ask((connection) => this.#found(connection))
    return found.map(({ shape }) => shape)
  }

  /** How many rows lie ahead nobody can tell: files have bytes. */
  async lag(): Promise<ReadonlyMap<SplitId, number>> {
    return new Map()
  }

  async headroomSeconds(positions: readonly SplitPosition[]): Promise<number | undefined> {
    const kept = await this.#ask(logKeptSeconds)
    const times = positions.filter(({ split }) => split === LOG_SPLIT).map(({ next }) => logPosition(next).time)
    const oldest = Math.min(...times.filter((time) => time > 0))
    if (kept === undefined || !Number.isFinite(oldest)) return undefined
    return Math.max(0, kept - (this.#context.clock.now() / 1000 - oldest))
  }

  /** MySQL keeps its log by time, not by what we have read. */
  async acknowledge(positions: readonly SplitPosition[]): Promise<void> {
    const log = positions.find(({ split }) => split === LOG_SPLIT)
    if (log !== undefined) this.#rounds.published({ at: log.next })
  }

  async close(): Promise<void> {
    this.#rounds.close()
  }

  #round(
    connection: MysqlConnection,
    known: ReadonlySet<SplitId>,
    ends: ReadonlyMap<SplitId, JsonObject>,
  ): Promise<readonly SplitAssignment[]> {
    const server = { connection, place: () => this.#placeWithoutXa(connection) }
    return this.#rounds.discover(known, ends, server)
  }

  async #chunks(connection: MysqlConnection, known: ReadonlySet<SplitId>): Promise<SplitAssignment[]> {
    // Before anything is looked at: whatever happens from here on is in the log.
    const place = await this.#placeWithoutXa(connection)
    const found = await this.#found(connection)
    if (found.length === 0) return [this.#log({ place, skip: {}, shapes: {}, time: 0 })]
    const splits: SplitAssignment[] = []
    for (const table of found) {
      const chunks = await planChunks(connection, table, { place, wanted: this.#wanted() })
      const fresh = chunks.filter(({ id }) => !known.has(id))
      splits.push(...fresh.map(({ id, spec }) => ({ split: id, spec: toJson(spec), at: toJson({ after: null }) })))
    }
    return splits
  }

  /**
   * Rows of an XA transaction are in the log where it was prepared, and become visible when it is committed. Between the
   * two a place would have them neither before nor behind it.
   */
  async #placeWithoutXa(connection: MysqlConnection): Promise<Place> {
    for (let tries = 0; tries < XA_TRIES; tries++) {
      const before = await preparedTransactions(connection)
      const place = await visibleUpTo(connection)
      if (before === 0 && (await preparedTransactions(connection)) === 0) return place
      await this.#context.clock.sleep(XA_PAUSE_MS)
    }
    throw new MillraceError(
      'beginning the initial snapshot: the server has prepared XA transactions (XA RECOVER lists them), whose rows would be ' +
        'missed. Commit them or roll them back, then start again',
      { code: 'PREFLIGHT' },
    )
  }

  async #logAlone(connection: MysqlConnection): Promise<SplitAssignment[]> {
    const { start } = this.#options
    const place = typeof start === 'string' ? await endOfLog(connection) : await placeBehind(connection, start.gtid)
    await verifyPlace(connection, place)
    return [await this.#bounded(connection, this.#log(this.#beginning(place, await this.#found(connection))))]
  }

  /** All chunks of a start have the same place. */
  async #logBehind(connection: MysqlConnection, ends: ReadonlyMap<SplitId, JsonObject>): Promise<SplitAssignment[]> {
    const positions = [...ends].map(([split, at]) => [split, chunkPosition(at)] as const)
    const place = positions.find(([, at]) => at.place !== undefined)?.[1].place
    if (place === undefined) {
      throw new MillraceError('the finished chunks do not say where the log goes on', { code: 'STORE_CORRUPT' })
    }
    await verifyPlace(connection, place)
    const shapes = Object.fromEntries(
      positions.map(([split, { shape }]) => [split.slice(0, split.lastIndexOf('/')), shape ?? '']),
    )
    const byName = await this.#found(connection)
    const known = Object.fromEntries(
      byName.flatMap(({ shape: { id, database, name } }) => {
        const digest = shapes[`${database}.${name}`]
        return digest === undefined ? [] : [[id, digest]]
      }),
    )
    // Tables that were asked for since join as others do.
    const wanted = positions.find(([, at]) => at.wanted !== undefined)?.[1].wanted
    return [await this.#bounded(connection, this.#log({ place, skip: {}, shapes: known, time: 0 }, wanted))]
  }

  /** With an end it is where the log ends now. */
  async #bounded(connection: MysqlConnection, log: SplitAssignment): Promise<SplitAssignment> {
    if (this.#options.end === 'never') return log
    const { file, position } = await writtenUpTo(connection)
    return { ...log, until: { file, position } }
  }

  #beginning(place: Place, found: readonly FoundTable[]): LogPosition {
    const shapes = Object.fromEntries(found.map(({ shape }) => [shape.id, shapeDigest(shape)]))
    return { place, skip: {}, shapes, time: Math.floor(this.#context.clock.now() / 1000) }
  }

  #log(at: LogPosition, wanted: readonly string[] = this.#wanted()): SplitAssignment {
    this.#isLogFound = true
    const reads = firstReads(wanted, this.#options.resync)
    return { split: LOG_SPLIT, spec: toJson({ kind: 'log', wanted }), at: toJson({ ...at, reads }) }
  }

  #wanted(): readonly string[] {
    return this.#options.tables ?? [this.#options.table ?? '']
  }

  async #found(connection: MysqlConnection): Promise<FoundTable[]> {
    const found = await readTables(connection, this.#options)
    if (found.length > 0 || this.#options.table === undefined) return found
    throw new MillraceError(`the table ${this.#options.table} does not exist, or the user may not read it`, {
      code: 'SCHEMA',
    })
  }

  /** Several tables may become others once the log is followed; one table, and a read with an end, stay what they are. */
  #assertTables(spec: JsonObject): void {
    const wanted = this.#wanted()
    if (isChunk(spec)) return assertSame(chunkSpec(spec).joining?.wanted, wanted)
    if (this.#options.tables !== undefined && this.#options.end === 'never') return
    const added = wanted.filter((one) => !logSpec(spec).wanted.includes(one))
    if (added.length === 0) return
    throw new MillraceError(
      `${added.join(', ')} was not asked for at the first start: tables can be added to \`tables\` of a source without \`end\`, ` +
        'and `table` stays the same. Read it with a source of its own',
      { code: 'CONFIG', detail: { added } },
    )
  }

  async #ask<T>(question: (connection: MysqlConnection) => Promise<T>): Promise<T> {
    await using connection = await openConnection(this.#options)
    return await question(connection)
  }
}
