import { appendFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ControlClient } from '../../../src/server/control-client.ts'
import type { CommandLine } from '../command-line.ts'
import { isConfirmed, JobHome, type PipelineText } from './job-home.ts'

/** Rows that keep a lane in its queries for the rest of the test. */
const SLOW_ROWS = 400_000
/** Every row takes some twenty microseconds, and DuckDB looks up between two vectors of rows, also on a busy machine. */
const SLOW = "sha256(repeat(name, 1000)) <> ''"
/** A vector of these takes DuckDB seconds, in which it hears nothing. */
export const DEAF = 'list_sum(range(100000 + id % 2)) > 0'

/**
 * A job of two lanes that each follow a file. `occupy` puts one of them into a query that outlasts the test; the other
 * one goes on.
 */
export class BusyJob implements AsyncDisposable {
  readonly home: JobHome
  #fast = 0

  private constructor(home: JobHome) {
    this.home = home
  }

  /** `sinks` read the step `big`. */
  static async create(
    sinks: string,
    { checks, slow = SLOW, ...more }: Partial<PipelineText> & { readonly checks?: string; readonly slow?: string } = {},
  ): Promise<BusyJob> {
    const home = await JobHome.create()
    home.put('in/fast.ndjson', '')
    home.put('in/slow.ndjson', '')
    home.write({
      parallelism: 2,
      accept: 'append-only-files',
      sources: 'rows: {connector: file, path: ./in, format: json, follow: true, schema: {id: bigint, name: varchar}}',
      transforms:
        `big: {from: rows, sql: "SELECT id, upper(name) AS name FROM rows ` +
        `WHERE name <> 'slow' OR ${slow}"}` +
        (checks === undefined ? '' : `, ${checks}`),
      sinks,
      ...more,
    })
    return new BusyJob(home)
  }

  /** Ten rows that are confirmed before anything else happens. */
  async begin(job: CommandLine): Promise<void> {
    this.appendFast(10)
    await job.event((event) => isConfirmed(event) && this.#written(job) >= 10)
  }

  appendFast(count: number): void {
    const lines = Array.from({ length: count }, (_, index) => `{"id":${this.#fast + index},"name":"x"}\n`)
    this.#fast += count
    appendFileSync(this.file('fast'), lines.join(''))
  }

  file(name: 'fast' | 'slow'): string {
    return path.join(this.home.directory, 'in', `${name}.ndjson`)
  }

  /** Resolves while the query runs: its rows have been read and none has come out. */
  async occupy(job: CommandLine): Promise<void> {
    appendFileSync(
      this.file('slow'),
      Array.from({ length: SLOW_ROWS }, (_, id) => `{"id":${id},"name":"slow"}\n`).join(''),
    )
    using control = await ControlClient.open(path.join(this.home.directory, 'state', 'job'))
    if (control === undefined) throw new Error(`the job does not listen:\n${job.out}${job.err}`)
    for (;;) {
      const { steps } = (await control.ask({ do: 'status' })) as { steps: { id: string; rows: number }[] }
      const passed = (id: string): number => steps.find((step) => step.id === id)?.rows ?? 0
      if (passed('big') >= this.#fast + SLOW_ROWS) throw new Error('the queries are over too soon for this test')
      if (passed('rows') > Math.max(this.#fast, passed('big'))) return
      await pause(20)
    }
  }

  #written(job: CommandLine): number {
    return job.events().reduce((sum, event) => sum + (event.event === 'published' ? Number(event['written']) : 0), 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]()
  }
}
