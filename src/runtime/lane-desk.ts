import { unreachable } from '../core/assert.ts'
import { errorToData } from '../core/errors.ts'
import { channelsOf } from './lane-channels.ts'
import type { LaneServices } from './lane-context.ts'
import { openLaneSteps } from './lane-steps.ts'
import { Lane } from './lane.ts'
import type { FromLane, LaneData, ToLane } from './messages.ts'
import { Tap } from './tap.ts'

/** The lane's end of the conversation with the coordinator: builds the lane's steps, then does what it is told. */
export class LaneDesk {
  readonly #tell: (message: FromLane) => void
  readonly #services: LaneServices
  readonly #tap: Tap
  #attempt = 0
  #lane: Lane | undefined
  #reportedAt: number | undefined

  constructor(services: LaneServices, tell: (message: FromLane) => void) {
    this.#services = services
    this.#tell = tell
    this.#tap = new Tap(tell)
  }

  /** Says `ready`, or `failed` when a step cannot be built. */
  async open(data: LaneData): Promise<void> {
    try {
      const steps = await openLaneSteps(data, this.#services, {
        tap: this.#tap,
        failed: (error) => this.#lane?.fail(error),
      })
      this.#lane = new Lane(steps, this.#tell)
      this.#lane.failed = (attempt, error) => this.#fail(attempt, error)
      this.#tell({ kind: 'ready' })
    } catch (error) {
      // No step will close them, and an open one keeps the thread alive.
      for (const port of channelsOf(data)) port.close()
      this.#fail(this.#attempt, error)
    }
  }

  /** Carries a message out. Resolves when that is done; what goes wrong is told to the coordinator. */
  async hear(message: ToLane): Promise<void> {
    if (message.kind === 'start') this.#attempt = message.attempt
    const attempt = this.#attempt
    try {
      await this.#perform(message)
    } catch (error) {
      this.#fail(attempt, error)
    }
  }

  reportProgress(): void {
    const now = this.#services.clock.now()
    this.#lane?.reportProgress(now - (this.#reportedAt ?? now))
    this.#reportedAt = now
  }

  #fail(attempt: number, error: unknown): void {
    this.#tell({ kind: 'failed', attempt, error: errorToData(error) })
  }

  async #perform(message: ToLane): Promise<void> {
    const lane = this.#lane
    switch (message.kind) {
      case 'start':
        return lane?.start(message)
      case 'add':
        return lane?.add(message)
      case 'barrier':
        return lane?.barrier(message)
      case 'halt':
        await lane?.halt()
        return this.#tell({ kind: 'halted', handed: lane?.handed() ?? [] })
      case 'changed':
        return lane?.changed(message)
      case 'routes':
        return lane?.follow(message)
      case 'tap':
        return this.#tap.open(message.step, message.limit)
      case 'close':
        // The last rows are counted too.
        this.reportProgress()
        // The database first: a running query is interrupted, and whoever waits for it lets go.
        await this.#services.close()
        return lane?.close()
      default:
        unreachable(message)
    }
  }
}
