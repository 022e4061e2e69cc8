import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { foldLineage, type Lineage } from '../../../src/checkpoint/lineage.ts'
import type { CheckpointEntry, LogEntry } from '../../../src/checkpoint/entries.ts'
import type { TestBucket } from '../../../scripts/services/s3-bucket.ts'
import { LocalLog } from '../../../src/storage/local-log.ts'
import { Ledger } from '../../../src/storage/ledger.ts'
import { S3Log } from '../../../src/storage/s3-log.ts'
import { CommandLine } from '../command-line.ts'

const NAME = 'kills'
const FILE = `${NAME}.yaml`

export interface PipelineText {
  readonly sources: string
  readonly transforms?: string
  readonly sinks: string
  readonly parallelism?: number
  /** Default 100ms, the shortest there is. */
  readonly interval?: string
  readonly accept?: string
  /** What is asked for; default: exactly once. */
  readonly delivery?: string
  /** Checkpoints that the log keeps; default 3. */
  readonly retained?: number
}

/** A directory with one pipeline file and everything that the pipeline leaves behind. */
export class PipelineHome implements AsyncDisposable {
  readonly directory: string
  readonly #bucket: TestBucket | undefined
  readonly #remove: () => Promise<void>

  private constructor(directory: string, bucket: TestBucket | undefined, remove: () => Promise<void>) {
    this.directory = directory
    this.#bucket = bucket
    this.#remove = remove
  }

  /** With a bucket, the checkpoint log is in it. */
  static async create(bucket?: TestBucket): Promise<PipelineHome> {
    const made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-kills-'))
    return new PipelineHome(made.path, bucket, () => made.remove())
  }

  write({
    sources,
    transforms,
    sinks,
    parallelism = 2,
    interval = '100ms',
    accept,
    delivery,
    retained = 3,
  }: PipelineText): void {
    const bucket = this.#bucket
    const storage = bucket === undefined ? './state' : `s3://${bucket.name}/state`
    const lines = [
      `name: ${NAME}`,
      ...(bucket === undefined ? [] : [`s3: {endpoint: '${bucket.endpoint}'}`]),
      `parallelism: ${parallelism}`,
      ...(accept === undefined ? [] : [`accept: [${accept}]`]),
      ...(delivery === undefined ? [] : [`delivery: ${delivery}`]),
      `sources: {${sources}}`,
      ...(transforms === undefined ? [] : [`transforms: {${transforms}}`]),
      `sinks: {${sinks}}`,
      `checkpoint: {interval: ${interval}, timeout: 20s, maxDowntime: 30m, retained: ${retained}, storage: '${storage}'}`,
    ]
    writeFileSync(path.join(this.directory, FILE), `${lines.join('\n')}\n`)
  }

  /** Starts the real program on the pipeline. Failpoints as in `MILLRACE_FAILPOINTS`. */
  start(failpoints = ''): CommandLine {
    const environment = {
      ...this.#bucket?.environment,
      XDG_STATE_HOME: path.join(this.directory, 'local'),
      MILLRACE_FAILPOINTS: failpoints,
      MILLRACE_FAILPOINT_TRACE: this.#trace,
    }
    return new CommandLine({ directory: this.directory, environment }, 'run', FILE)
  }

  /** Failpoints that acted so far: `<pid> <name>:<position>@<nth> <action>`. */
  trace(): string[] {
    return existsSync(this.#trace) ? readFileSync(this.#trace, 'utf8').trimEnd().split('\n') : []
  }

  /** The checkpoint log as it is on disk; nothing before the first start. */
  async entries(): Promise<readonly LogEntry[]> {
    if (this.#bucket !== undefined) return await Ledger.read(new S3Log(this.#bucket.bucket, `state/${NAME}/`))
    const state = path.join(this.directory, 'state', NAME)
    if (!existsSync(path.join(state, 'log'))) return []
    const log = new LocalLog(state, 'auditor')
    return await Ledger.read({
      address: state,
      newest: async () => log.newest(),
      list: async (from) => log.list(from),
      read: async (seq) => log.read(seq),
      append: async () => assert.fail('the auditor writes nothing'),
      remove: async () => assert.fail('the auditor removes nothing'),
      close: async () => undefined,
    })
  }

  async lineage(): Promise<Lineage> {
    return foldLineage(await this.entries())
  }

  /** Temporary files of the checkpoint log that nobody took away. */
  logResidue(): string[] {
    if (this.#bucket !== undefined) return []
    return readdirSync(path.join(this.directory, 'state', NAME, 'log')).filter((name) => name.startsWith('.tmp'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remove()
  }

  get #trace(): string {
    return path.join(this.directory, 'failpoints.trace')
  }
}

/** The next row of each partition of a topic at a published checkpoint. */
export function positionsOf(entry: CheckpointEntry, partitions: number): number[] {
  const positions = Array.from({ length: partitions }, () => 0)
  for (const split of Object.values(entry.sources).flat()) {
    const part = Number(split.split.slice(split.split.lastIndexOf('/') + 1))
    positions[part] = Number(split.at['offset'])
  }
  return positions
}

/** What was read is written, filtered, dead-lettered or copied, in every manifest that the log still holds. */
export function assertBalanced(entries: readonly LogEntry[]): void {
  for (const entry of entries) {
    if (entry.kind !== 'checkpoint') continue
    const { read, copied, filtered, deadLettered, written } = entry.accounting
    assert.equal(read + copied, written + filtered + deadLettered, `checkpoint ${entry.checkpoint} does not add up`)
  }
}
