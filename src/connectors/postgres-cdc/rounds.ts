import type { SplitId, SplitPosition } from '../../core/batch.ts'
import type { SourceContext } from '../../core/context.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment } from '../../core/source.ts'
import {
  addToPublication,
  fingerprintOfTables,
  parseLsn,
  readPublication,
  readTables,
  TypeCatalog,
  type Lsn,
  type PgConnection,
  type PgTable,
} from '../../clients/postgres-replication/index.ts'
import { planSplits } from './chunk-plan.ts'
import type { Names } from './names.ts'
import type { PostgresCdcOptions } from './options.ts'
import { notPublished, publicationProblem, whyNotAdded } from './prepare.ts'
import { Settling } from './settling.ts'
import { chunkEndFromJson, chunkPositionFromJson, roundOf, tableKey, WAL, walAfter, walSpecFromJson } from './split.ts'
import type { WalSpec } from './split.ts'
import { JoinSender, type Join } from './turns.ts'
import { firstReads, keyOfName, neededFrom, tablesOf, walPositionFromJson, type WalReads } from './wal-position.ts'
import { isMatchedBy, isWantedBy } from './wanted-tables.ts'

/** New tables are looked for so often. */
const LOOK_MS = 2000

/** What the last published position says. */
interface PublishedLog {
  readonly spec: WalSpec
  readonly lsn: Lsn
  readonly reads: WalReads
}

/** Tables that are about to be read beside the log. */
interface Beginning {
  readonly tables: readonly PgTable[]
  /** Their rows are read; otherwise only what changes from here on. */
  readonly hasRows: boolean
  /** The publication lets everything of them out for every transaction that begins behind this. */
  readonly published: Settling
  place: Lsn | undefined
  /** Snapshots see everything that was written before the place. */
  readonly placed: Settling
}

/**
 * Tables that come later, or are read again: their rows are read beside the log, and when all of that is published the lane
 * that reads the log is told to let them join at a place that lies before all of their snapshots. What the log's published
 * position says is what has been done, so that a start in between goes on in the middle.
 */
export class Rounds {
  readonly #options: PostgresCdcOptions
  readonly #context: SourceContext
  readonly #names: Names
  readonly #sender: JoinSender
  #log: PublishedLog | undefined
  #beginning: Beginning | undefined
  /** Joins that have no chunks. */
  #join: Join | undefined
  /** What the slot has to keep for a round, until the log's published position says so itself. */
  #floor: { readonly round: number; readonly lsn: Lsn } | undefined
  #lookedAt: number = Number.NEGATIVE_INFINITY
  /** When a table was found in place of one that is followed: what is left of that one lies before it. */
  readonly #remade = new Map<string, Lsn>()
  /** The tables that were there when all of them were found to be read. */
  #present: string | undefined
  #hasOpen = false
  readonly #said = new Set<string>()

  constructor(options: PostgresCdcOptions, context: SourceContext, names: Names) {
    this.#options = options
    this.#context = context
    this.#names = names
    this.#sender = new JoinSender(names.application)
  }

  /** The log as it was published last; `spec` at a start. */
  published(at: JsonObject, spec?: JsonObject): void {
    const walSpec = spec === undefined ? this.#log?.spec : walSpecFromJson(spec)
    if (walSpec === undefined) return
    const { lsn, reads } = walPositionFromJson(at)
    const { tables } = this.#options
    this.#log = { spec: walSpec, lsn, reads: reads ?? firstReads({ tables, resync: {} }) }
    if (this.#floor !== undefined && this.#log.reads.round >= this.#floor.round) this.#floor = undefined
  }

  /** What the slot has to keep, by the positions of a checkpoint. */
  needed(positions: readonly SplitPosition[]): Lsn | undefined {
    const wal = positions.find(({ split }) => split === WAL)
    if (wal === undefined) return undefined
    const position = walPositionFromJson(wal.next)
    const round = position.reads?.round ?? 0
    const starts = positions
      .filter(({ split }) => roundOf(split) > round)
      .map(({ next }) => chunkPositionFromJson(next).start)
    return [...starts, ...(this.#floor === undefined ? [] : [this.#floor.lsn])].reduce(
      (least, start) => (start < least ? start : least),
      neededFrom(position),
    )
  }

  /** Tables may come, or have to be read again. */
  get isUnderWay(): boolean {
    const again = Object.keys(this.#log?.reads.again ?? {}).length > 0
    return this.#options.end === 'never' && (this.#options.tables !== undefined || again || this.#isAsked)
  }

  /** The next step: finds tables, begins to read them, or lets them join. */
  async discover(
    known: ReadonlySet<SplitId>,
    ends: ReadonlyMap<SplitId, JsonObject>,
    connect: () => Promise<PgConnection>,
  ): Promise<readonly SplitAssignment[]> {
    if (this.#log === undefined || !this.isUnderWay) return []
    const round = this.#log.reads.round + 1
    const chunks = [...known].filter((split) => roundOf(split) === round)
    if (chunks.length > 0) {
      if (chunks.every((split) => ends.has(split))) this.#letJoin(round, chunks, ends)
      return []
    }
    if (this.#join?.round === round) {
      this.#sender.send(this.#join)
      return []
    }
    if (this.#beginning === undefined && !this.#isDue) return []
    await using connection = await connect()
    this.#beginning ??= await this.#find(connection, this.#log)
    if (this.#beginning === undefined) return []
    try {
      return await this.#begin(connection, this.#beginning, round)
    } catch (error) {
      // A table may be gone again.
      this.#beginning = undefined
      throw error
    }
  }

  close(): void {
    this.#sender.close()
  }

  get #isAsked(): boolean {
    const resynced = this.#log?.reads.resynced ?? {}
    return Object.entries(this.#options.resync).some(([name, occasion]) => resynced[keyOfName(name)] !== occasion)
  }

  get #isDue(): boolean {
    const now = this.#context.clock.now()
    if (now - this.#lookedAt < LOOK_MS) return false
    this.#lookedAt = now
    return true
  }

  async #find(connection: PgConnection, log: PublishedLog): Promise<Beginning | undefined> {
    this.#floor = undefined
    const again = Object.keys(log.reads.again)[0]
    const isOther = this.#options.tables?.some((pattern) => !log.reads.wanted.includes(pattern)) === true
    const present = await fingerprintOfTables(connection, isWantedBy(this.#options))
    if (again === undefined && !isOther && present === this.#present) return undefined
    const wanted = await readTables(connection, new TypeCatalog(), isWantedBy(this.#options))
    if (again !== undefined) {
      const held = log.reads.held[again]
      const tables = wanted.filter((table) => tableKey(table) === again)
      if (tables.length === 0)
        this.#say('warn', `${again} is to be read again and is not there: the slot keeps the log for it`)
      if (tables.length === 0 || held === undefined) return undefined
      return { tables, hasRows: true, published: new Settling(), place: held.lsn, placed: new Settling() }
    }
    if (this.#options.tables === undefined) return undefined
    const isPaused = isMatchedBy(this.#options.paused)
    const candidates = await this.#new(
      connection,
      log,
      wanted.filter(({ schema, name }) => !isPaused(schema, name)),
    )
    this.#present = candidates.length === 0 && !this.#hasOpen ? present : undefined
    // `start` is about what was there when a pattern was named; all else has come since.
    const isNamed = isMatchedBy(log.reads.wanted)
    const isLate = (table: PgTable): boolean => this.#options.start === 'initial' || isNamed(table.schema, table.name)
    const named = candidates.filter((table) => !isLate(table))
    const hasRows = this.#options.start === 'initial' || (named.length === 0 && !isOther)
    const tables = hasRows ? candidates : named
    if (tables.length === 0 && (hasRows || !isOther)) return undefined
    // From here on nothing is confirmed that the round may need.
    this.#floor = { round: log.reads.round + 1, lsn: log.lsn }
    const left = notPublished(await readPublication(connection, this.#names.publication), tables)
    for (const table of left) await addToPublication(connection, this.#names.publication, [table])
    return { tables, hasRows, published: new Settling(), place: undefined, placed: new Settling() }
  }

  /** Those that are not followed and may be. */
  async #new(connection: PgConnection, log: PublishedLog, wanted: readonly PgTable[]): Promise<readonly PgTable[]> {
    const { publication: name } = this.#names
    const publication = await readPublication(connection, name)
    const followed = new Set(tablesOf(log.spec, log.reads).map(tableKey))
    const left = new Set(notPublished(publication, wanted))
    const found: PgTable[] = []
    const open = wanted.filter((table) => left.has(table) || !followed.has(tableKey(table)))
    this.#hasOpen = open.length > 0
    for (const table of open) {
      const why = left.has(table) ? await whyNotAdded(connection, name, table) : undefined
      const problem =
        publication === undefined || left.has(table) ? undefined : publicationProblem(name, publication, table)
      const message = why === undefined ? problem : `${why.message}. ${why.hint}`
      if (message !== undefined) this.#say('warn', message)
      else if (!followed.has(tableKey(table)) || (await this.#isRemade(connection, table, log.lsn))) found.push(table)
    }
    return found
  }

  /** One was dropped and made again. What the log still has of the one before has to come first. */
  async #isRemade(connection: PgConnection, table: PgTable, reached: Lsn): Promise<boolean> {
    const key = tableKey(table)
    const place = this.#remade.get(key)
    if (place === undefined) {
      this.#remade.set(key, await insertLsn(connection))
      return false
    }
    if (reached < place) return false
    this.#remade.delete(key)
    this.#say('warn', `${table.schema}.${table.name} was made again: rows of the one before stay in the sink`)
    return true
  }

  async #begin(connection: PgConnection, beginning: Beginning, round: number): Promise<readonly SplitAssignment[]> {
    const { tables, hasRows, published, placed } = beginning
    const names = tables.map(({ schema, name }) => `${schema}.${name}`).join(', ')
    const waits = `before ${names} can be read, transactions have to end that are open now`
    if (!(await published.isOver(connection))) return this.#say('info', waits)
    beginning.place ??= await insertLsn(connection)
    this.#floor = { round, lsn: beginning.place }
    if (!(await placed.isOver(connection))) return this.#say('info', waits)
    this.#beginning = undefined
    if (!hasRows) {
      const joined = tables.map(({ schema, name }) => ({ schema, name, chunks: [], high: 0n }))
      this.#join = { round, place: beginning.place, tables: joined, wanted: this.#options.tables ?? [] }
      this.#sender.send(this.#join)
      return []
    }
    this.#context.log.info(`reading ${names} beside the log, which goes on`)
    const { chunkRows } = this.#options
    const { system } = this.#log?.spec ?? { system: '' }
    return await planSplits(connection, tables, { system, start: beginning.place, round, chunkRows })
  }

  #letJoin(round: number, chunks: readonly SplitId[], ends: ReadonlyMap<SplitId, JsonObject>): void {
    const { start, spec } = walAfter(chunks.map((split) => chunkEndFromJson(split, ends.get(split) ?? {})))
    const isWanted = isWantedBy(this.#options)
    const tables = spec.tables.filter(({ schema, name }) => isWanted(schema, name))
    this.#sender.send({ round, place: start, tables, wanted: this.#options.tables ?? [] })
  }

  /** Once: it is looked at again and again. */
  #say(level: 'info' | 'warn', message: string): [] {
    if (!this.#said.has(message)) this.#context.log[level](message)
    this.#said.add(message)
    return []
  }
}

async function insertLsn(connection: PgConnection): Promise<Lsn> {
  const [row] = await connection.query('SELECT pg_catalog.pg_current_wal_insert_lsn()', 'asking where the log ends')
  return parseLsn(row?.[0] ?? '')
}
