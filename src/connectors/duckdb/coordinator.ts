import { rm, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../../core/assert.ts'
import type {
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
import type { GlobalCommittable, SinkCoordinator } from '../../core/sink.ts'
import { quoteText } from '../../dataplane/index.ts'
import { applySql, createTableSql } from './apply-sql.ts'
import type { DatabaseFile, RunSql } from './database-file.ts'
import type { DuckdbSinkOptions } from './options.ts'
import { committableOf, epochOf, stagingFolder, type DuckdbCommittable } from './staged.ts'
import { assertFits, describeTable } from './target-table.ts'

const CONTROL = 'millrace_control'
const CREATE_CONTROL =
  `CREATE TABLE IF NOT EXISTS ${CONTROL} ` +
  '(job VARCHAR, sink VARCHAR, epoch BIGINT, "checkpoint" BIGINT, PRIMARY KEY (job, sink))'

interface ControlRow {
  readonly epoch: number
  readonly checkpoint: number
}

/**
 * Puts what lanes have staged into the table, with the checkpoint's number in the control row of the same transaction: so
 * it is there once, whoever tries how often.
 */
export class DuckdbCoordinator implements SinkCoordinator {
  readonly remembersCommits = true
  readonly #options: DuckdbSinkOptions
  readonly #file: DatabaseFile
  readonly #context: CoordinatorContext
  readonly #staging: string
  #begun: RunEpoch | undefined
  /** The newest epoch that this process has raised the control row to, or is raising it to. */
  #raised: RunEpoch = 0

  constructor(options: DuckdbSinkOptions, file: DatabaseFile, context: CoordinatorContext) {
    this.#options = options
    this.#file = file
    this.#context = context
    this.#staging = stagingFolder(file.path, context.job, context.id)
  }

  async begin(checkpoint: CheckpointId, epoch: RunEpoch): Promise<JsonObject> {
    if (this.#begun !== epoch) {
      this.#raised = Math.max(this.#raised, epoch)
      await this.#file.transaction('making the tables', (run) => this.#prepare(run, epoch))
      this.#begun = epoch
    }
    return { epoch, checkpoint }
  }

  async combine(checkpoint: CheckpointId, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    const all = parts.map(committableOf)
    const [first] = all
    if (first === undefined) return []
    const files = all.flatMap((one) => one.parts)
    const committable = { epoch: first.epoch, checkpoint, parts: files }
    return [{ orderKey: 'table', rows: files.reduce((sum, { rows }) => sum + rows, 0), committable }]
  }

  async commit(permit: CommitPermit, json: JsonObject): Promise<CommitOutcome> {
    const committable = committableOf(json)
    try {
      const outcome = await this.#file.transaction(`applying checkpoint ${committable.checkpoint}`, (run) =>
        // A rewind of this very process may have raised it meanwhile.
        this.#apply(run, Math.max(permit.epoch, this.#raised), committable),
      )
      failpoint('commit', 'sent')
      if (outcome.outcome === 'committed' || outcome.outcome === 'already-committed') await this.#drop(committable)
      return outcome
    } catch (thrown) {
      const error = toMillraceError(thrown)
      // Rows that the table refuses: nothing was committed, and it needs a hand. Else the control row tells the next time.
      if (error.retry === 'halt') throw error
      return { outcome: 'retry', reason: error.message }
    }
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    const all = committables.map(committableOf)
    try {
      const control = await this.#file.transaction('looking for what was applied', (run) => this.#control(run))
      return await Promise.all(all.map((one) => this.#evidenceOf(one, control)))
    } catch (thrown) {
      return all.map(() => ({ state: 'unknown', reason: toMillraceError(thrown).message }))
    }
  }

  async abort(json: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    const committable = committableOf(json)
    try {
      const control = await this.#file.transaction('looking for what was applied', (run) => this.#control(run))
      if ((control?.checkpoint ?? 0) >= committable.checkpoint) return 'committed'
      await this.#drop(committable)
      return 'aborted'
    } catch {
      return 'unknown'
    }
  }

  async sweep(scope: SweepScope): Promise<SweepReport> {
    const keep = new Set(scope.keep.flatMap((json) => committableOf(json).parts.map(({ name }) => name)))
    const names = await this.#staged()
    const aborted: string[] = []
    for (const name of names) {
      const epoch = epochOf(name)
      if (epoch === undefined || epoch >= scope.below || keep.has(name)) continue
      await rm(join(this.#staging, name), { force: true })
      aborted.push(name)
    }
    return { aborted, found: names.length }
  }

  async findTraces(own: RunEpoch, known: CheckpointId): Promise<readonly string[]> {
    const control = await this.#file.transaction('looking for an earlier life', (run) => this.#control(run))
    const traces = (await this.#staged()).filter((name) => (epochOf(name) ?? -1) >= own)
    if (control !== undefined && control.checkpoint > known) traces.push(`checkpoint ${control.checkpoint} was applied`)
    if (control !== undefined && control.epoch >= own) traces.push(`run epoch ${control.epoch} has written here`)
    return traces
  }

  async fingerprint(): Promise<JsonObject> {
    return { path: this.#file.path, table: this.#options.table }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #prepare(run: RunSql, epoch: RunEpoch): Promise<void> {
    const { table } = this.#options
    const { schema } = this.#context
    assert(schema !== undefined, 'the plan knows the schema of the rows')
    await run(CREATE_CONTROL)
    await run(createTableSql(table, schema))
    assertFits(await describeTable(run, table), schema, this.#options)
    const control = await this.#control(run)
    if (control !== undefined && control.epoch > epoch) throw fenced(control.epoch)
    await this.#note(run, { epoch, checkpoint: control?.checkpoint ?? 0 })
  }

  async #apply(run: RunSql, epoch: RunEpoch, committable: DuckdbCommittable): Promise<CommitOutcome> {
    const control = await this.#control(run)
    const evidence = await this.#evidenceOf(committable, control)
    if (evidence.state === 'committed') return { outcome: 'already-committed' }
    if (control !== undefined && control.epoch > epoch) throw fenced(control.epoch)
    if (evidence.state === 'lost') return { outcome: 'lost', reason: evidence.reason, expired: false }
    const { table, key } = this.#options
    const { schema } = this.#context
    assert(schema !== undefined, 'the plan knows the schema of the rows')
    const { isUnique } = await describeTable(run, table, key)
    const files = committable.parts.map(({ name }) => join(this.#staging, name))
    for (const sql of applySql({ table, schema, key, isUnique, files })) await run(sql)
    await this.#note(run, { epoch, checkpoint: committable.checkpoint })
    return { outcome: 'committed' }
  }

  async #evidenceOf({ checkpoint, parts }: DuckdbCommittable, control: ControlRow | undefined): Promise<Evidence> {
    if ((control?.checkpoint ?? 0) >= checkpoint) return { state: 'committed' }
    for (const { name, bytes } of parts) {
      const size = await stat(join(this.#staging, name)).then(
        (found) => found.size,
        () => undefined,
      )
      if (size === bytes) continue
      const what = size === undefined ? 'is gone' : `has ${size} bytes, we wrote ${bytes}`
      return { state: 'lost', reason: `the staged file ${name} ${what}`, expired: false }
    }
    return { state: 'committable' }
  }

  async #control(run: RunSql): Promise<ControlRow | undefined> {
    const [there] = await run(`SELECT 1 FROM duckdb_tables() WHERE table_name = '${CONTROL}' AND schema_name = 'main'`)
    if (there === undefined) return undefined
    const { job, id } = this.#context
    const where = `WHERE job = ${quoteText(job)} AND sink = ${quoteText(id)}`
    const [row] = await run(`SELECT epoch, "checkpoint" FROM ${CONTROL} ${where}`)
    return row === undefined ? undefined : { epoch: Number(row[0]), checkpoint: Number(row[1]) }
  }

  async #note(run: RunSql, { epoch, checkpoint }: ControlRow): Promise<void> {
    const { job, id } = this.#context
    const row = `${quoteText(job)}, ${quoteText(id)}, ${epoch}, ${checkpoint}`
    await run(`INSERT OR REPLACE INTO ${CONTROL} VALUES (${row})`)
  }

  async #staged(): Promise<string[]> {
    return await readdir(this.#staging).catch(() => [])
  }

  /** What is applied is not needed any more; what stays because this fails, the next start sweeps. */
  async #drop({ parts }: DuckdbCommittable): Promise<void> {
    for (const { name } of parts) await rm(join(this.#staging, name), { force: true }).catch(() => undefined)
  }
}

function fenced(epoch: RunEpoch): MillraceError {
  return new MillraceError(`run epoch ${epoch} of this pipeline has taken over the table`, { code: 'FENCED' })
}
