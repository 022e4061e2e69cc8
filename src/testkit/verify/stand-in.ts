import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Plan, SinkStep } from '../../plan/plan.ts'
import { startEmulator } from '../emulators/main.ts'
import type { Emulator } from '../emulators/options.ts'
import type { Input } from './inputs.ts'
import type { GivenTarget, Scratch } from './scratch.ts'
import { isEncrypted, isSqlSink, openScratch } from './sql-scratch.ts'

/** Options of the user's sinks that say where it is: the stand-in is somewhere else. */
const PLACES = ['url', 'backends', 'allowPlaintext', 'username', 'password', 'path', 's3', 'properties']

/** The user's pipeline with rows from files as input and servers of our own as targets, in a directory of its own. */
export interface StandIn extends AsyncDisposable {
  readonly directory: string
  readonly file: string
  readonly emulators: ReadonlyMap<string, Emulator>
  /** Sinks that write on their own server. */
  readonly scratches: ReadonlyMap<string, Scratch>
  /** What the processes of the pipeline are told besides. */
  readonly environment: Readonly<Record<string, string>>
  /** Rows of all sources together. */
  readonly rows: number
}

export interface StandInOptions {
  readonly directory: string
  /** The pipeline file's value, environment put in. */
  readonly value: JsonObject
  readonly plan: Plan
  /** What is read in place of each source. */
  readonly inputs: Inputs
  /** SQL sinks are played on their own server. */
  readonly onServers: boolean
  /** Sinks that are played in a table or topic that the user gave. */
  readonly given: GivenTargets
}

export type Inputs = ReadonlyMap<string, Input>
export type GivenTargets = ReadonlyMap<string, GivenTarget>

/** Which parts of the pipeline are played by something else, for the certificate. */
export function replacements(plan: Plan, inputs: Inputs, given: GivenTargets): string[] {
  return plan.steps.flatMap((step) => {
    if (step.kind === 'source') return [inputs.get(step.id)?.told ?? '']
    if (step.kind !== 'sink') return []
    const target = given.get(step.id)
    const by =
      target !== undefined
        ? `its own server, in ${target.place}`
        : isEmulated(step)
          ? 'the emulator'
          : isSqlSink(step)
            ? `its own server, ${isEncrypted(step) ? '' : 'through a proxy, '}in a database made for each play and dropped`
            : 'a directory of its own'
    return [`sink ${step.id} (${step.connector}): ${by}`]
  })
}

export async function buildStandIn(options: StandInOptions): Promise<StandIn> {
  const { directory, value, plan, inputs, onServers, given } = options
  await using stack = new AsyncDisposableStack()
  const emulators = new Map<string, Emulator>()
  const scratches = new Map<string, Scratch>()
  const [sources, sinks]: Record<string, JsonObject>[] = [{}, {}]
  let rows = 0
  for (const step of plan.steps) {
    if (step.kind === 'source') {
      const input = inputs.get(step.id)
      assert(input !== undefined, 'every source has its rows')
      rows += input.rows
      assign(sources, step.id, input.options)
    }
    if (step.kind === 'sink') {
      const target = given.get(step.id)
      if (target === undefined) refuseUnplayable(step, onServers)
      const opened = target?.next() ?? (isSqlSink(step) ? openScratch(step, plan.baseDirectory) : undefined)
      const scratch = opened === undefined ? undefined : stack.use(await opened)
      if (scratch !== undefined) scratches.set(step.id, scratch)
      if (step.connector === 'duckdb') await mkdir(path.join(directory, 'out', step.id), { recursive: true })
      const emulator = isEmulated(step) && target === undefined ? stack.use(await emulatorOf(step)) : undefined
      if (emulator !== undefined) emulators.set(step.id, emulator)
      assign(sinks, step.id, sinkOf(step, value, emulator, scratch))
    }
  }
  const { s3: _s3, was: _was, ...rest } = value
  const standIn = {
    ...rest,
    // Servers remember the labels and transactional ids of the plays before.
    name: `verify-${randomUUID().slice(0, 8)}`,
    parallelism: Math.min(2, plan.parallelism),
    // Everything stays in the log, so that the accounting can be added up.
    checkpoint: { interval: '100ms', timeout: '20s', maxDowntime: '5m', retained: 1000, storage: './state' },
    sources,
    sinks,
  }
  const file = path.join(directory, 'pipeline.json')
  await writeFile(file, JSON.stringify(standIn, undefined, 2))
  const cleanup = stack.move()
  const environment = Object.assign({}, ...[...scratches.values()].map((one) => one.environment)) as Record<
    string,
    string
  >
  return {
    directory,
    file,
    emulators,
    scratches,
    environment,
    rows,
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  }
}

/** The file of a `duckdb` sink, in the directory of the play. */
export function databaseOf(sink: string): string {
  return `./out/${sink}/verify.duckdb`
}

function assign(to: Record<string, JsonObject> | undefined, id: string, what: JsonObject): void {
  if (to !== undefined) to[id] = what
}

function isEmulated({ connector }: SinkStep): boolean {
  return connector === 'starrocks' || connector === 'doris'
}

/** Sinks that are played by an emulator, by a directory, or by nothing. */
const PLAYED = ['starrocks', 'doris', 'hudi', 'files', 'duckdb', 'blackhole']

function refuseUnplayable(step: SinkStep, onServers: boolean): void {
  const { id, connector } = step
  if (PLAYED.includes(connector)) return
  if (isSqlSink(step)) {
    if (onServers) return
    throw new MillraceError(
      `the sink "${id}" (${connector}) is played on its own server only: if that is a test server, say --on-servers. ` +
        'Each play makes a database there (in PostgreSQL a schema) with a table of the same form, and drops it',
      { code: 'CONFIG' },
    )
  }
  if (connector === 'kafka') {
    throw new MillraceError(
      `the sink "${id}" (kafka) is played on its own brokers only: make a topic like that of the pipeline, and give it with ` +
        `--scratch ${id}=<topic>`,
      { code: 'CONFIG' },
    )
  }
  throw new MillraceError(
    `the sink "${id}" (${connector}) cannot be played: nothing stands in for its server. Its promises are tested on real ` +
      'servers (docs/guarantees.md); for the rest of the pipeline write to a `files` sink',
    { code: 'CONFIG' },
  )
}

function sinkOf(
  step: SinkStep,
  value: JsonObject,
  emulator: Emulator | undefined,
  scratch: Scratch | undefined,
): JsonObject {
  const written = (value['sinks'] as JsonObject)[step.id] as JsonObject
  if (scratch !== undefined) return { ...written, ...scratch.options }
  const kept = Object.fromEntries(Object.entries(written).filter(([name]) => !PLACES.includes(name)))
  if (emulator !== undefined) return { ...kept, url: [...emulator.urls], backends: [...emulator.backends] }
  if (step.connector === 'duckdb') return { ...kept, path: databaseOf(step.id) }
  return step.connector === 'hudi' || step.connector === 'files' ? { ...kept, path: `./out/${step.id}` } : kept
}

async function emulatorOf(step: SinkStep): Promise<Emulator> {
  const kind = step.connector === 'doris' ? 'doris' : 'starrocks'
  const { database, table, key } = step.options
  const columns = step.schema?.map(({ name }) => ({ name, type: 'STRING' }))
  const keys = Array.isArray(key) ? key.map(String) : undefined
  // Tables with keys are made by their columns; others grow theirs as rows come.
  if (columns === undefined || keys === undefined) return startEmulator({ kind, createTables: true })
  const made = columns.filter(({ name }) => name !== '__op')
  return startEmulator({
    kind,
    tables: [{ database: String(database), table: String(table), columns: made, model: 'primary', keys }],
  })
}
