import { assert } from '../../core/assert.ts'
import type { SchemaChange, SourceTable } from '../../core/changes.ts'
import type {
  AcknowledgePermit,
  CheckpointId,
  CommitOutcome,
  CommitPermit,
  Evidence,
  RunEpoch,
  SweepReport,
  SweepScope,
} from '../../core/checkpoint-types.ts'
import type { CoordinatorContext } from '../../core/context.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import { Router } from '../../core/routes.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../core/sink.ts'
import { TableFollower } from '../../core/table-follower.ts'
import { applyCheckpoint } from './apply.ts'
import { CONTROL_TABLE, ControlTable } from './control.ts'
import type { SqlDialect } from './dialect.ts'
import { modeOf, type TableSinkOptions } from './options.ts'
import { pauseBefore } from './pause.ts'
import type { SqlSession } from './session.ts'
import { shapeOf, writtenColumns } from './sink-target.ts'
import { sqlTables } from './tables/sql-tables.ts'
import { committableOf, type SqlCommittable } from './sql-committable.ts'
import { createStageSql, stagePrefix } from './stage.ts'
import { countStaged, deleteStaged, stagedCheckpoints } from './staged-rows.ts'

/** How often a start tries to become the only writer while an older instance holds locks. */
const RAISE_ATTEMPTS = 6
/** Pages hold their lock for milliseconds: who holds it longer stands still. */
const FENCE_WAIT_S = 1
const LOCK_WAIT_S = 10

/** Fences older instances, applies staged checkpoints, and knows by the control row which ones were applied. */
export class SqlCoordinator implements SinkCoordinator {
  readonly remembersCommits: boolean
  readonly #options: TableSinkOptions
  readonly #dialect: SqlDialect
  readonly #context: CoordinatorContext
  readonly #control: ControlTable
  readonly #prefix: string
  /** Only sinks of several tables have them. */
  readonly openTable?: (table: SourceTable) => Promise<void>
  readonly applySchema?: (permit: AcknowledgePermit, change: SchemaChange) => Promise<'applied' | 'already'>
  #session: SqlSession | undefined
  #begun: { readonly epoch: RunEpoch; readonly stage: string } | undefined
  /** The newest epoch that this process has raised the control row to, or is raising it to. */
  #raised: RunEpoch = 0
  /** One statement at a time on the connection. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: TableSinkOptions, dialect: SqlDialect, context: CoordinatorContext) {
    this.#options = options
    this.#dialect = dialect
    this.#context = context
    this.#control = new ControlTable(dialect, context.job, context.id)
    this.#prefix = stagePrefix(context.job, context.id)
    this.remembersCommits = options.routes === undefined && modeOf(options) === 'transactional'
    if (options.routes === undefined) return
    const follower = new TableFollower({
      tables: sqlTables(dialect, (work) => this.#withSession(work)),
      router: new Router(options.routes, dialect.database),
      createTables: options.createTables,
      policies: options.schemaChange,
      log: context.log,
    })
    this.openTable = (table) => follower.open(table)
    this.applySchema = (_permit, change) => follower.apply(change)
  }

  async begin(checkpoint: CheckpointId, epoch: RunEpoch): Promise<JsonObject> {
    if (this.#begun?.epoch !== epoch) {
      const stage = await this.#withSession((session) => this.#prepareTables(session))
      this.#raised = Math.max(this.#raised, epoch)
      await this.#fence(epoch)
      this.#begun = { epoch, stage }
    }
    return { epoch, checkpoint, stage: this.#begun.stage }
  }

  async combine(_checkpoint: CheckpointId, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    const all = parts.map(committableOf)
    const [first] = all
    if (first === undefined) return []
    const sum = (count: (part: SqlCommittable) => number): number => all.reduce((total, part) => total + count(part), 0)
    const committable = { ...first, rows: sum(({ rows }) => rows), staged: sum(({ staged }) => staged) }
    return [{ orderKey: 'target', rows: committable.rows, committable }]
  }

  async commit(permit: CommitPermit, json: JsonObject): Promise<CommitOutcome> {
    const committable = committableOf(json)
    try {
      return await this.#withSession(async (session) => {
        const outcome = await applyCheckpoint(session, {
          dialect: this.#dialect,
          control: this.#control,
          options: this.#options,
          committable,
          // A rewind of this very process may have raised it meanwhile.
          epoch: Math.max(permit.epoch, this.#raised),
        })
        failpoint('commit', 'sent')
        if (outcome.outcome === 'committed') await this.#drop(session, committable)
        return outcome
      })
    } catch (thrown) {
      const error = toMillraceError(thrown)
      // Also after a lost answer to COMMIT: the next attempt reads the control row, which was changed with it or not at all.
      if (error.retry === 'retry') return { outcome: 'retry', reason: error.message }
      // Rows that the target refuses, rights that are gone: nothing was committed, and it needs a hand.
      if (error.retry === 'halt') throw error
      return { outcome: 'unknown', reason: error.message }
    }
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    return await this.#withSession(async (session) => {
      const control = await this.#control.read(session)
      const found: Evidence[] = []
      for (const json of committables)
        found.push(await this.#evidenceOf(session, committableOf(json), control?.checkpoint ?? 0))
      return found
    }).catch((thrown: unknown) =>
      committables.map(() => ({ state: 'unknown' as const, reason: toMillraceError(thrown).message })),
    )
  }

  async #evidenceOf(session: SqlSession, committable: SqlCommittable, applied: number): Promise<Evidence> {
    if (applied >= committable.checkpoint) return { state: 'committed' }
    const there = await countStaged(session, this.#dialect, committable)
    if (there === committable.staged) return { state: 'committable' }
    const reason = `${committable.stage} has ${there} of the ${committable.staged} staged rows of checkpoint ${committable.checkpoint}`
    return { state: 'lost', reason, expired: false }
  }

  async abort(json: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    const committable = committableOf(json)
    try {
      return await this.#withSession(async (session) => {
        const control = await this.#control.lock(session)
        // Of a checkpoint whose first pieces were applied nothing can be taken back.
        if (control?.applying === committable.checkpoint) return 'unknown'
        const isApplied = (control?.checkpoint ?? 0) >= committable.checkpoint
        if (!isApplied) await deleteStaged(session, this.#dialect, committable)
        await this.#dialect.commit(session)
        return isApplied ? 'committed' : 'aborted'
      })
    } catch {
      return 'unknown'
    }
  }

  async sweep(scope: SweepScope): Promise<SweepReport> {
    if (!this.remembersCommits) return { aborted: [], found: 0 }
    const keep = new Set(scope.keep.map((json) => nameOf(committableOf(json))))
    return await this.#withSession(async (session) => {
      const aborted: string[] = []
      let found = 0
      for (const stage of await this.#dialect.tables(session, this.#prefix)) {
        for (const place of await stagedCheckpoints(session, this.#dialect, stage)) {
          found++
          if (place.epoch >= scope.below || keep.has(nameOf({ ...place, stage }))) continue
          await deleteStaged(session, this.#dialect, { ...place, stage })
          await this.#dialect.commit(session)
          aborted.push(nameOf({ ...place, stage }))
        }
      }
      return { aborted, found }
    })
  }

  async findTraces(own: RunEpoch, known: CheckpointId): Promise<readonly string[]> {
    return await this.#withSession(async (session) => {
      const control = await this.#control.read(session)
      const traces: string[] = []
      if (control !== undefined && control.checkpoint > known)
        traces.push(`checkpoint ${control.checkpoint} was applied`)
      if (control !== undefined && control.epoch >= own) traces.push(`run epoch ${control.epoch} has written here`)
      return traces
    })
  }

  async fingerprint(): Promise<JsonObject> {
    // Tables may come and go: which they are is no identity.
    if (this.#options.routes !== undefined) return { tables: 'routes', database: this.#dialect.database }
    return { table: this.#dialect.qualified(this.#options.table), mode: modeOf(this.#options) }
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined)
    await this.#session?.close()
    this.#session = undefined
  }

  /** Our own tables, and the target if the pipeline says so. Gives the name of the staging table. */
  async #prepareTables(session: SqlSession): Promise<string> {
    const { key, table, createTable, routes } = this.#options
    const { schema } = this.#context
    const dialect = this.#dialect
    if ((await dialect.describe(session, CONTROL_TABLE)) === undefined) {
      await session.query(this.#control.createSql(), 'creating the control table')
    }
    await this.#control.announce(session)
    if (routes !== undefined) return ''
    assert(schema !== undefined, 'the plan knows the schema of the rows')
    const rows = schema.filter(({ name }) => !name.startsWith('__'))
    if (createTable && (await dialect.describe(session, table)) === undefined) {
      await session.query(dialect.createTarget(dialect.qualified(table), rows, key), `creating ${table}`)
    }
    const found = await dialect.describe(session, table)
    if (found === undefined) throw new MillraceError(`the table ${table} is missing`, { code: 'SCHEMA' })
    const columns = writtenColumns(schema, found, table)
    const shape = shapeOf(this.#options, dialect, this.#prefix, { columns, schema })
    if (shape !== undefined) await session.query(createStageSql(dialect, shape), `creating ${shape.name}`)
    return shape?.name ?? ''
  }

  /** An older instance that stands still in a transaction holds its lock for as long as its connection lives: that is ended. */
  async #fence(epoch: RunEpoch): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#withSession(async (session) => {
          await session.query(this.#dialect.lockWaitSql(FENCE_WAIT_S))
          await this.#control.raise(session, epoch)
          await session.query(this.#dialect.lockWaitSql(LOCK_WAIT_S))
        })
      } catch (thrown) {
        const error = toMillraceError(thrown)
        if (error.retry !== 'retry' || attempt === RAISE_ATTEMPTS) throw thrown
        this.#context.log.warn('waiting for an older instance of this pipeline to let go of the table', {
          sink: this.#context.id,
          attempt,
        })
      }
      await this.#endOlder(epoch).catch(() => undefined)
      await this.#context.clock.sleep(pauseBefore(attempt))
    }
  }

  async #endOlder(epoch: RunEpoch): Promise<void> {
    const ids = await this.#withSession((session) => this.#control.olderSessions(session, epoch))
    for (const id of ids) {
      await this.#withSession((session) => session.query(this.#dialect.killSql(id))).catch(() => undefined)
    }
  }

  /** What was applied is not needed any more. What stays because this fails, the next start sweeps. */
  async #drop(session: SqlSession, committable: SqlCommittable): Promise<void> {
    try {
      await deleteStaged(session, this.#dialect, committable)
      await this.#dialect.commit(session)
    } catch (thrown) {
      session.destroy()
      this.#context.log.warn(`staged rows of checkpoint ${committable.checkpoint} stay until the next start`, {
        reason: toMillraceError(thrown).message,
      })
    }
  }

  async #connect(): Promise<SqlSession> {
    const session = await this.#dialect.open()
    if ((await this.#dialect.describe(session, CONTROL_TABLE)) !== undefined) await this.#control.announce(session)
    return session
  }

  #withSession<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    const mine = this.#last
      .catch(() => undefined)
      .then(async () => {
        this.#session = this.#session?.isUsable === true ? this.#session : await this.#connect()
        try {
          const result = await work(this.#session)
          await this.#session.query('ROLLBACK')
          return result
        } catch (thrown) {
          this.#session.destroy()
          throw thrown
        }
      })
    this.#last = mine
    mine.catch(() => undefined)
    return mine
  }
}

function nameOf({ stage, epoch, checkpoint }: { stage: string; epoch: number; checkpoint: number }): string {
  return `${stage} ${epoch}/${checkpoint}`
}
