import type { Logger } from '../core/context.ts'
import type { Plan } from '../plan/plan.ts'
import type { Job } from '../runtime/job.ts'
import type { JobEvent, JobObserver } from '../runtime/observer.ts'
import { openControlServer, type ControlServer, type ControlTarget } from '../server/control-server.ts'
import { JobMetrics } from '../server/metrics.ts'
import { openMetricsServer, type MetricsAddress, type MetricsServer } from '../server/metrics-server.ts'
import type { RunProgress } from './run-progress.ts'
import { RunTap } from './run-tap.ts'

export interface RunControlOptions {
  readonly plan: Plan
  readonly directory: string
  readonly progress: RunProgress
  readonly logger: Logger
  readonly stop: () => void
}

/** Everything by which a run can be looked at and steered from outside. The run never waits for any of it. */
export class RunControl implements ControlTarget {
  readonly #options: RunControlOptions
  readonly #metrics: JobMetrics
  readonly #tap: RunTap
  #socket: Promise<ControlServer | undefined> | undefined
  #listener: MetricsServer | undefined

  constructor(options: RunControlOptions) {
    this.#options = options
    this.#metrics = new JobMetrics(options.plan.name, options.plan.steps, Date.now)
    this.#tap = new RunTap(options.plan)
  }

  follow(job: Job): void {
    this.#tap.follow(job)
  }

  readonly observe: JobObserver = (event: JobEvent) => {
    this.#metrics.see(event)
    this.#tap.see(event)
    // Who has claimed the pipeline answers for it, in place of an instance that is fenced by the claim.
    if (event.kind === 'claimed') this.#socket ??= this.#openSocket()
  }

  /** Opens the listener that the user asked for. Rejects when the address is taken. */
  async serveMetrics(address: MetricsAddress): Promise<void> {
    this.#listener = await openMetricsServer(address, {
      metrics: async () => ({ type: this.#metrics.contentType, text: await this.#metrics.text() }),
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

  metrics(): Promise<string> {
    return this.#metrics.text()
  }

  stop(): void {
    this.#options.logger.info('asked to stop through the control socket')
    this.#options.stop()
  }

  tap(step: string, limit: number, show: (records: readonly string[]) => void, end: () => void): () => void {
    return this.#tap.open(step, limit, show, end)
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
