import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandLine } from '../command-line.ts'
import { endedWell, type Killable } from './kills.ts'
import type { MirrorTarget } from './mirror-targets.ts'
import { assertBalanced, type PipelineHome } from './pipeline-home.ts'

export interface MirrorParts {
  readonly home: PipelineHome
  readonly target: MirrorTarget
  /** The split that is read when the initial rows are. */
  readonly log: string
  /** What a table of the source is called in the target. */
  nameInTarget(table: string): string
  rowsOfSource(table: string, columns: readonly string[]): Promise<readonly (readonly (string | null)[])[]>
  /** Changes about so many rows. */
  change(rows: number): Promise<void>
}

/** One job that mirrors tables of a database, with sessions that change them and an audit that compares both ends. */
export abstract class MirrorWorld implements Killable, AsyncDisposable {
  readonly home: PipelineHome
  readonly target: MirrorTarget
  readonly topic: { append(rows: number): Promise<void> }
  /** Tables, with the columns that are compared. */
  readonly tables: Map<string, string[]>
  readonly #parts: MirrorParts
  readonly #stack: AsyncDisposableStack

  protected constructor(parts: MirrorParts, tables: Map<string, string[]>, stack: AsyncDisposableStack) {
    this.home = parts.home
    this.target = parts.target
    this.topic = { append: (rows) => parts.change(rows) }
    this.tables = tables
    this.#parts = parts
    this.#stack = stack
  }

  /** Waits until all tables are equal and all of it is confirmed. A table in which nothing happens makes no checkpoints. */
  async caughtUp(run: CommandLine): Promise<void> {
    while (!(await this.isCaughtUp())) {
      assert.ok(!run.hasEnded, `it ended before the tables were equal:\n${run.out}${run.err}`)
      await pause(50)
    }
  }

  /** Lets the job catch up, stops it, and audits everything. */
  async settle(): Promise<void> {
    await using run = this.home.start()
    await this.caughtUp(run)
    await this.stop(run)
  }

  async stop(run: CommandLine): Promise<void> {
    run.signal('SIGTERM')
    await endedWell(run)
    await this.auditEnd()
  }

  async isCaughtUp(): Promise<boolean> {
    const { newest, confirmedUpTo } = await this.home.lineage()
    if (newest === undefined || newest.checkpoint > confirmedUpTo) return false
    if (!newest.sources['rows']?.some(({ split }) => split === this.#parts.log)) return false
    return JSON.stringify(await this.#source()) === JSON.stringify(await this.#mirror())
  }

  async auditEnd(): Promise<void> {
    assert.deepEqual(await this.#mirror(), await this.#source(), 'all tables have the same rows')
    assert.deepEqual(this.target.residue(), [], 'nothing is left open in the sink')
    assertBalanced(await this.home.entries())
    const { pending, ended } = await this.home.lineage()
    assert.deepEqual([pending.length, ended === undefined], [0, false])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  #source(): Promise<Record<string, string[]>> {
    return this.#texts((table, columns) => this.#parts.rowsOfSource(table, columns))
  }

  #mirror(): Promise<Record<string, string[]>> {
    return this.#texts((table, columns) => this.target.rows(this.#parts.nameInTarget(table), columns))
  }

  async #texts(rowsOf: MirrorParts['rowsOfSource']): Promise<Record<string, string[]>> {
    const found: Record<string, string[]> = {}
    for (const [table, columns] of this.tables) {
      const rows = await rowsOf(table, columns)
      found[table] = rows.map((row) => row.map((cell) => cellText(cell)).join(' | ')).toSorted()
    }
    return found
  }
}

/** Servers write as many digits of a second as they like. */
function cellText(cell: string | null): string {
  if (cell === null) return 'NULL'
  const isMoment = cell.length > 'YYYY-MM-DD HH:MM:SS'.length && cell[13] === ':'
  return isMoment ? cell.replace(/\.?0+$/, '') : cell
}
