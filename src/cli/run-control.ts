import type { Logger } from '../core/context.ts'
import type { Plan } from '../plan/plan.ts'
import type { Job } from '../runtime/job.ts'
import type { JobEvent, JobObserver } from '../runtime/observer.ts'
import { openControlServer, type ControlServer, type ControlTarget } from '../server/control-server.ts'
import type { JobMetrics } from '../server/metrics.ts'
import type { MetricsAddress } from '../server/metrics-address.ts'
import type { MetricsServer } from '../server/metrics-server.ts'
import type { RunProgress } from './run-progress.ts'
import { RunTap } from './run-tap.ts'

export interface RunControlOptions {
  readonly plan: Plan
  readonly directory: string
  readonly progress: RunProgress
  readonly logger: Logger
  readonly stop: () => void
}

/** Events that are kept before the metrics are loaded. */
const EARLY_MAX = 200

/** Everything by which a run can be looked at and steered from outside. The run never waits for any of it. */
export class RunControl implements ControlTarget {
  readonly #options: RunControlOptions
  readonly #tap: RunTap
  #job: Job | undefined
  #metrics: Promise<JobMetrics> | undefined
  /** What happened before the metrics were loaded. */
  #early: { readonly event: JobEvent; readonly at: number }[] = []
  #see: JobObserver = (event) => {
    this.#early.push({ event, at: Date.now() })
    // They are a hundred modules: not while the job starts, and not for one that soon ends.
    if (this.#early.length > EARLY_MAX) void this.#loadMetrics()
  }
  #socket: Promise<ControlServer | undefined> | undefined
  #listener: MetricsServer | undefined

  constructor(options: RunControlOptions) {
    this.#options = options
    this.#tap = new RunTap(options.plan)
  }

  follow(job: Job): void {
    this.#job = job
    this.#tap.follow(job)
  }

  readonly observe: JobObserver = (event: JobEvent) => {
    this.#see(event)
    this.#tap.see(event)
    if (event.kind !== 'claimed') return
    // Who has claimed the pipeline answers for it, in place of an instance that is fenced by the claim.
    this.#socket ??= this.#openSocket()
  }

  /** Opens the listener that the user asked for. Rejects when the address is taken. */
  async serveMetrics(address: MetricsAddress): Promise<void> {
    const metrics = await this.#loadMetrics()
    // HTTP brings a good part of Node with it: only for those who want it.
    const { openMetricsServer } = await import('../server/metrics-server.ts')
    this.#listener = await openMetricsServer(address, {
      metrics: async () => ({ type: metrics.contentType, text: await metrics.text() }),
      trouble: () => {
        const { stalled } = this.#options.progress.status()
        return stalled === null ? undefined : `standing still: ${stalled}`
      },
    })
    this.#options.logger.info(`metrics at ${this.#listener.url}`)
  }

  async close(): Promise<void> {
    await this.#listener?.close()
    await (await this.#socket)?.close()
  }

  status(): unknown {
    return this.#options.progress.status()
  }

  async metrics(): Promise<string> {
    return (await this.#loadMetrics()).text()
  }

  stop(): void {
    this.#options.logger.info('asked to stop through the control socket')
    this.#options.stop()
  }

  checkpoint(): boolean {
    return this.#job?.checkpoint() ?? false
  }

  tap(step: string, limit: number, show: (records: readonly string[]) => void, end: () => void): () => void {
    return this.#tap.open(step, limit, show, end)
  }

  #loadMetrics(): Promise<JobMetrics> {
    this.#metrics ??= import('../server/metrics.ts').then(({ JobMetrics: Metrics }) => {
      const { name, steps } = this.#options.plan
      let then: number | undefined
      const metrics = new Metrics(name, steps, () => then ?? Date.now())
      for (const { event, at } of this.#early) {
        then = at
        metrics.see(event)
      }
      then = undefined
      this.#early = []
      this.#see = (event) => metrics.see(event)
      return metrics
    })
    return this.#metrics
  }

  async #openSocket(): Promise<ControlServer | undefined> {
    try {
      return await openControlServer(this.#options.directory, this)
    } catch (error) {
      this.#options.logger.warn(`status, stop and tap cannot reach this job: ${(error as Error).message}`)
      return undefined
    }
  }
}
