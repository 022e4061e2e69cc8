import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Emulator } from '../../../src/testkit/emulators/options.ts'
import type { CommandLine } from '../command-line.ts'
import { JobHome, type PipelineText } from './job-home.ts'
import { idsOf, openTransactions, sinkOf, upTo } from './warehouse.ts'

/** How long rows may take to become visible. Never reached when all is well. */
const PATIENCE_MS = 180_000

/** A job that follows a file into `demo.events` of an emulator: rows are numbered 0, 1, … */
export class FollowedJob implements AsyncDisposable {
  readonly home: JobHome
  readonly server: Emulator
  #rows = 0

  private constructor(home: JobHome, server: Emulator) {
    this.home = home
    this.server = server
  }

  static async create(
    kind: 'starrocks' | 'doris',
    server: Emulator,
    more: Partial<PipelineText> & { readonly sinkOptions?: string } = {},
  ): Promise<FollowedJob> {
    const home = await JobHome.create()
    home.put('in/rows.ndjson', '')
    home.write({
      accept: 'append-only-files',
      sources: 'in: {connector: file, path: ./in, format: json, follow: true, schema: {id: bigint, name: varchar}}',
      sinks: `out: {from: in, ${sinkOf(kind, server, more.sinkOptions)}}`,
      ...more,
    })
    return new FollowedJob(home, server)
  }

  append(count: number): void {
    const lines = Array.from({ length: count }, (_, index) => `{"id":${this.#rows + index},"name":"x"}\n`)
    this.#rows += count
    appendFileSync(path.join(this.home.directory, 'in', 'rows.ndjson'), lines.join(''))
  }

  /** Resolves when readers see every row once. */
  async untilVisible(job: CommandLine, patienceMs: number = PATIENCE_MS): Promise<void> {
    const deadline = Date.now() + patienceMs
    const seen = (): number => idsOf(this.server).length
    while (seen() < this.#rows) {
      if (job.hasEnded || Date.now() > deadline)
        assert.fail(`${seen()} of ${this.#rows} rows are visible:\n${job.out}${job.err}`)
      await pause(10)
    }
    assert.deepEqual(idsOf(this.server), upTo(this.#rows))
  }

  /** Stops at a checkpoint; then everything is there once and nothing is left open. */
  async stop(job: CommandLine): Promise<void> {
    job.signal('SIGTERM')
    const { code } = await job.ended()
    assert.equal(code, 0, `${job.out}${job.err}`)
    assert.deepEqual(idsOf(this.server), upTo(this.#rows))
    assert.deepEqual(openTransactions(this.server), [])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]()
  }
}
