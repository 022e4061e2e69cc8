import { MillraceError } from '../../core/errors.ts'
import type { PageFence, SqlDialect } from './dialect.ts'
import { textAt, type SqlSession } from './session.ts'

export const CONTROL_TABLE = 'millrace_control'

/** Row of the sink itself; those of writers' connections are numbered from 0. */
const SINK_SLOT = -1
/** Only says which connection the coordinator has. */
const COORDINATOR_SLOT = -2

export interface ControlRow {
  /** The run epoch that may write. */
  readonly epoch: number
  /** The last checkpoint that was applied, 0 before the first. */
  readonly checkpoint: number
  /** Of `checkpoint + 1 …` the last piece that was applied, -1 for none. */
  readonly chunk: number
  /** The checkpoint that `chunk` belongs to. */
  readonly applying: number
}

/**
 * The table `millrace_control` beside the target: fence and evidence. Every transaction of a sink locks a row of it first:
 * its own slot for pages, so that writers do not wait for each other, and the sink's row to apply a checkpoint. A newer
 * run epoch raises all of them, after which no transaction of an older one can be committed.
 */
export class ControlTable {
  readonly #dialect: SqlDialect
  readonly #table: string
  readonly #own: string
  readonly #names: string

  constructor(dialect: SqlDialect, job: string, sink: string) {
    this.#dialect = dialect
    this.#table = dialect.qualified(CONTROL_TABLE)
    this.#own = `job = ${dialect.text(job)} AND sink = ${dialect.text(sink)}`
    this.#names = `${dialect.text(job)}, ${dialect.text(sink)}`
  }

  createSql(): string {
    const { int, bigint, name } = this.#dialect.types
    return (
      `CREATE TABLE IF NOT EXISTS ${this.#table} (job ${name} NOT NULL, sink ${name} NOT NULL, slot ${int} NOT NULL, ` +
      `epoch ${bigint} NOT NULL, checkpoint ${bigint} NOT NULL, applying ${bigint} NOT NULL, chunk ${int} NOT NULL, ` +
      `session ${name} NOT NULL, PRIMARY KEY (job, sink, slot))`
    )
  }

  /** Looks without a lock. Undefined: nobody of this name has ever written here. */
  async read(session: SqlSession): Promise<ControlRow | undefined> {
    if ((await this.#dialect.describe(session, CONTROL_TABLE)) === undefined) return undefined
    return await this.#read(session, '', '')
  }

  /** Begins a transaction that holds the sink's row. */
  lock(session: SqlSession): Promise<ControlRow | undefined> {
    return this.#read(session, this.#dialect.beginSql, ' FOR UPDATE')
  }

  async #read(session: SqlSession, begin: string, end: string): Promise<ControlRow | undefined> {
    const { rows } = await session.query(
      `${begin}SELECT epoch, checkpoint, applying, chunk FROM ${this.#table} WHERE ${this.#own} AND slot = ${SINK_SLOT}${end}`,
      'reading the control row',
    )
    const [row] = rows
    if (row === undefined) return undefined
    const at = (place: number): number => Number(textAt(row, place))
    return { epoch: at(0), checkpoint: at(1), applying: at(2), chunk: at(3) }
  }

  /** Makes this epoch the only one that may write. A transaction of its own. */
  async raise(session: SqlSession, epoch: number): Promise<void> {
    const insert = `INSERT INTO ${this.#table} VALUES (${this.#names}, ${SINK_SLOT}, 0, 0, 0, -1, '')`
    await session.query(insert + this.#dialect.ignoreDuplicate('job'), 'making the control row')
    await this.#dialect.commit(session).catch(() => undefined)
    const row = await this.lock(session)
    if (row !== undefined && row.epoch > epoch) throw fenced(epoch, row.epoch)
    await session.query(
      `UPDATE ${this.#table} SET epoch = ${epoch} WHERE ${this.#own} AND epoch < ${epoch}`,
      'raising the run epoch',
    )
    await this.#dialect.commit(session)
  }

  /** Names of connections whose transactions an older epoch may have left open. */
  async olderSessions(session: SqlSession, epoch: number): Promise<string[]> {
    const { rows } = await session.query(
      `SELECT session FROM ${this.#table} WHERE ${this.#own} AND epoch < ${epoch} AND session <> ''`,
      'reading the connections of older instances',
    )
    return rows.map((row) => textAt(row, 0))
  }

  /**
   * Says which connection a slot has, before it takes any lock: should this process stand still with a lock, its successor
   * knows what to end.
   */
  async announce(session: SqlSession, slot: number = COORDINATOR_SLOT): Promise<void> {
    const { rows } = await session.query(`SELECT ${this.#dialect.sessionIdSql}`)
    const id = this.#dialect.text(textAt(rows[0] ?? [], 0))
    const insert = `INSERT INTO ${this.#table} VALUES (${this.#names}, ${slot}, 0, 0, 0, -1, ${id})`
    const or = this.#dialect.orUpdate(['job', 'sink', 'slot'], `session = ${id}`)
    await this.#dialect.alone(session, insert + or, 'announcing a connection')
  }

  /** Claims the slot of a writer's connection. A transaction of its own. */
  async register(session: SqlSession, slot: number, epoch: number): Promise<void> {
    await this.announce(session, slot)
    const row = await this.lock(session)
    if (row?.epoch !== epoch) throw fenced(epoch, row?.epoch ?? 0)
    await session.query(
      `UPDATE ${this.#table} SET epoch = ${epoch} WHERE ${this.#own} AND slot = ${slot}`,
      'claiming a slot',
    )
    await this.#dialect.commit(session)
  }

  /** What the transaction of a page begins with: it holds the slot, and ends there when another epoch has it. */
  fence(slot: number, epoch: number): PageFence {
    return {
      sql: `SELECT epoch FROM ${this.#table} WHERE ${this.#own} AND slot = ${slot} FOR UPDATE`,
      epoch,
      check: (found) => {
        if (found !== epoch) throw fenced(epoch, found)
      },
    }
  }

  /** Notes in the open transaction what was applied. */
  async note(session: SqlSession, row: ControlRow): Promise<void> {
    await session.query(
      `UPDATE ${this.#table} SET epoch = ${row.epoch}, checkpoint = ${row.checkpoint}, applying = ${row.applying}, ` +
        `chunk = ${row.chunk} WHERE ${this.#own} AND slot = ${SINK_SLOT}`,
      'noting what was applied',
    )
  }
}

export function fenced(own: number, found: number): MillraceError {
  return new MillraceError(
    `writing to the table: run epoch ${found} has taken over from ${own}. Another instance of this pipeline is running.`,
    { code: 'FENCED', detail: { own, found } },
  )
}
