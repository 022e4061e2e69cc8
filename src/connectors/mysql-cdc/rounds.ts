import type { SplitId } from '../../core/batch.ts'
import type { SourceContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment } from '../../core/source.ts'
import type { MysqlConnection } from '../../clients/mysql-replication/index.ts'
import { byName, firstReads, isIn, isNamed, type Joining, type LogReads } from './log-reads.ts'
import type { MysqlCdcOptions } from './options.ts'
import { planChunks } from './plan-chunks.ts'
import { readTables, type FoundTable } from './read-tables.ts'
import { chunkPosition, logPosition, logSpec, roundOf, toJson } from './split.ts'
import type { Place } from './stored-place.ts'
import { shapeDigest } from './table-shape.ts'
import { JoinSender } from './turns.ts'

interface Server {
  readonly connection: MysqlConnection
  /** A place before which everything is visible. */
  readonly place: () => Promise<Place>
}

/**
 * Tables that are asked for later, or again: their rows are read beside the log as they are at a place of it, and when all
 * of that is published the lane that reads the log is told to let them join there. What the log's published position says
 * is what has been done, so that a start in between goes on in the middle.
 */
export class Rounds {
  readonly #options: MysqlCdcOptions
  readonly #context: SourceContext
  readonly #sender: JoinSender
  #reads: LogReads | undefined

  constructor(options: MysqlCdcOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#sender = new JoinSender(context)
  }

  /** The log as it was published last. */
  published({ spec, at }: Pick<SplitAssignment, 'at'> & Partial<Pick<SplitAssignment, 'spec'>>): void {
    const { reads } = logPosition(at)
    if (reads !== undefined || spec !== undefined) this.#reads = reads ?? firstReads(logSpec(spec ?? {}).wanted, {})
  }

  /** Tables were asked for that the log is not read for yet. */
  get isUnderWay(): boolean {
    const reads = this.#reads
    return reads !== undefined && (this.#isOther(reads) || this.#again(reads) !== undefined)
  }

  async discover(
    known: ReadonlySet<SplitId>,
    ends: ReadonlyMap<SplitId, JsonObject>,
    server: Server,
  ): Promise<readonly SplitAssignment[]> {
    const reads = this.#reads
    if (reads === undefined || !this.isUnderWay) return []
    const round = reads.round + 1
    const chunks = [...known].filter((split) => roundOf(split) === round)
    if (chunks.length === 0) return await this.#begin(reads, round, server)
    if (chunks.every((split) => ends.has(split))) this.#join(chunks, ends)
    return []
  }

  close(): void {
    this.#sender.close()
  }

  #isOther({ lists }: LogReads): boolean {
    const { tables } = this.#options
    return tables !== undefined && (lists.length > 1 || !isSame(lists[0] ?? [], tables))
  }

  /** A table that is to be read again: first those that the log is held for already, whatever the file says now. */
  #again({ resynced, held }: LogReads): Joining['resync'] {
    const { resync } = this.#options
    const waiting = Object.keys(held)
      .find((key) => key.startsWith(byName('')))
      ?.slice(1)
    const table = waiting ?? Object.keys(resync).find((name) => resynced[name] !== resync[name])
    return table === undefined ? undefined : { table, occasion: resync[table] ?? '' }
  }

  async #begin(reads: LogReads, round: number, server: Server): Promise<readonly SplitAssignment[]> {
    const { tables: wanted, start } = this.#options
    const isOther = this.#isOther(reads)
    const resync = isOther ? undefined : this.#again(reads)
    // Whatever happens to new tables from here on is in the log.
    const place = isOther ? await server.place() : reads.held[byName(resync?.table ?? '')]
    if (place === undefined) return []
    const { connection } = server
    const found = (await readTables(connection, this.#options)).filter(({ shape }) => {
      const name = `${shape.database}.${shape.name}`
      return resync === undefined ? !isIn({ lists: reads.lists, held: [] }, name) : name === resync.table
    })
    const tables = found.map(({ shape }) => shape.id)
    const joining = { round, tables, ...(resync === undefined ? { wanted: wanted ?? [] } : { resync }) }
    if (resync !== undefined && found.length === 0) throw notThere(resync.table)
    if (tables.length === 0 || (resync === undefined && start !== 'initial')) {
      this.#sender.send({ joining, place, shapes: shapesOf(found) })
      return []
    }
    if (resync === undefined) this.#refusePaused(tables)
    this.#context.log.info(`reading ${tables.join(', ')} beside the log, which goes on`)
    const planned = await Promise.all(found.map((table) => planChunks(connection, table, { place, joining })))
    return planned.flat().map(({ id, spec }) => ({ split: id, spec: toJson(spec), at: toJson({ after: null }) }))
  }

  #join(chunks: readonly SplitId[], ends: ReadonlyMap<SplitId, JsonObject>): void {
    const positions = chunks.map((split) => [split, chunkPosition(ends.get(split) ?? {})] as const)
    const [, last] = positions[0] ?? []
    if (last?.joining === undefined || last.place === undefined) return
    const { wanted } = last.joining
    if (wanted !== undefined && !isSame(wanted, this.#options.tables ?? [])) throw changedMeanwhile(wanted)
    const byTable = new Map(
      positions.map(([split, { shape }]) => [split.slice(0, split.lastIndexOf('/')), shape ?? '']),
    )
    const shapes = last.joining.tables.map((id) => [id, byTable.get(nameOf(id)) ?? ''])
    this.#sender.send({ joining: last.joining, place: last.place, shapes: Object.fromEntries(shapes) })
  }

  #refusePaused(tables: readonly string[]): void {
    const table = tables.find((id) => isNamed(this.#options.paused, nameOf(id)))
    if (table === undefined) return
    throw new MillraceError(
      `${table} is new in \`tables\` and also in \`paused\`: a table can be paused once its rows were read. Take it out of one of them`,
      { code: 'CONFIG', detail: { table } },
    )
  }
}

/** Throws CONFIG where `tables` changed before what it said before was done. */
export function assertSame(before: readonly string[] | undefined, tables: readonly string[]): void {
  if (before !== undefined && !isSame(before, tables)) throw changedMeanwhile(before)
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return JSON.stringify(one.toSorted()) === JSON.stringify(other.toSorted())
}

/** As patterns see it. */
function nameOf(id: string): string {
  return id.replaceAll(/\\(.)/g, '$1')
}

function shapesOf(found: readonly FoundTable[]): Record<string, string> {
  return Object.fromEntries(found.map(({ shape }) => [shape.id, shapeDigest(shape)]))
}

function changedMeanwhile(before: readonly string[]): MillraceError {
  return new MillraceError(
    `\`tables\` changed while initial rows were read for what it was before: ${before.join(', ')}. Put it back until the log ` +
      'is followed for those, then change it',
    { code: 'CONFIG', detail: { before } },
  )
}

function notThere(table: string): MillraceError {
  return new MillraceError(`\`resync\` names ${table}, which is not there, or not one of the tables that are read`, {
    code: 'CONFIG',
    detail: { table },
  })
}
