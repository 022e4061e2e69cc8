import { hostname } from 'node:os'
import type { Plan } from '../plan/plan.ts'
import type { StepTotals } from '../runtime/messages.ts'
import type { JobEvent } from '../runtime/observer.ts'
import { RateWindow } from './rate-window.ts'

export interface StepStatus {
  readonly id: string
  readonly kind: Plan['steps'][number]['kind']
  readonly rows: number
  readonly bytes: number
  readonly rowsPerSecond: number
  readonly bytesPerSecond: number
}

/** A run in numbers, for the screen, for `status` and for logs. Times are in ISO form. */
export interface RunStatus {
  readonly pipeline: string
  readonly host: string
  readonly pid: number
  readonly state: 'starting' | 'running' | 'going back' | 'stopping' | 'ended'
  readonly startedAt: string
  readonly uptimeMs: number
  readonly epoch: number
  /** Read by all sources since the process started; what was read again after a rewind counts again. */
  readonly rows: number
  readonly bytes: number
  readonly rowsPerSecond: number
  readonly bytesPerSecond: number
  /** Rows in published checkpoints. */
  readonly written: number
  readonly steps: readonly StepStatus[]
  /** Records behind the head, for each source that can tell. */
  readonly lag: Readonly<Record<string, number>>
  readonly published: CheckpointMark | null
  readonly confirmed: CheckpointMark | null
  /** Checkpoints that are published and not confirmed. */
  readonly unconfirmed: number
  readonly rewinds: number
  readonly lastProblem: { readonly at: string; readonly code: string; readonly message: string } | null
  /** What stands still although there is something to do. */
  readonly stalled: 'reading' | 'committing' | null
  readonly rssBytes: number
}

export interface CheckpointMark {
  readonly checkpoint: number
  readonly at: string
}

/** Follows a run over all its events, restarts inside the process included. */
export class RunProgress {
  readonly #plan: Plan
  readonly #now: () => number
  readonly #startedAt: number
  readonly #lanes = new Map<number, Readonly<Record<string, StepTotals>>>()
  readonly #rates = new RateWindow()
  /** Totals of lanes that ended with an earlier job of this process. */
  #before: Readonly<Record<string, StepTotals>> = {}
  #state: RunStatus['state'] = 'starting'
  #epoch = 0
  #written = 0
  #lag: Readonly<Record<string, number>> = {}
  #published: CheckpointMark | null = null
  #confirmed: CheckpointMark | null = null
  #unconfirmed = new Set<number>()
  #rewinds = 0
  #lastProblem: RunStatus['lastProblem'] = null
  #stalled: RunStatus['stalled'] = null

  constructor(plan: Plan, now: () => number = Date.now) {
    this.#plan = plan
    this.#now = now
    this.#startedAt = now()
  }

  see(event: JobEvent): void {
    switch (event.kind) {
      case 'claimed':
        this.#before = this.#totals()
        this.#lanes.clear()
        this.#unconfirmed.clear()
        this.#epoch = event.epoch
        return
      case 'started':
        this.#state = 'running'
        this.#epoch = event.epoch
        return
      case 'published':
        this.#written += event.accounting.written
        this.#unconfirmed.add(event.checkpoint)
        this.#published = this.#mark(event.checkpoint)
        return
      case 'confirmed':
        this.#unconfirmed.delete(event.checkpoint)
        this.#confirmed = this.#mark(event.checkpoint)
        return
      case 'rewinding':
        this.#state = 'going back'
        this.#rewinds += 1
        return this.#problem(event.error)
      case 'lag':
        this.#lag = event.records
        return
      case 'stall':
        this.#stalled = event.what ?? null
        return
      case 'lane':
        if (event.message.kind !== 'progress') return
        this.#lanes.set(event.lane, event.message.steps)
        return this.#rates.add(this.#now(), () => this.#totals())
      case 'ended':
        this.#state = 'ended'
        // What was measured on the way is read by now.
        if (event.as === 'finished') this.#lag = {}
        return
      case 'halted':
        this.#state = 'ended'
        return this.#problem(event.error)
      case 'restored':
      case 'triggered':
      case 'headroom':
      case 'safe-downtime':
      case 'expiring':
    }
  }

  /** The job was asked to stop. */
  stopping(): void {
    if (this.#state !== 'ended') this.#state = 'stopping'
  }

  status(): RunStatus {
    const now = this.#now()
    const totals = this.#totals()
    const steps = this.#plan.steps.map(({ id, kind }): StepStatus => {
      const { rows, bytes } = totals[id] ?? { rows: 0, bytes: 0 }
      return { id, kind, rows, bytes, ...this.#rates.of(id, now) }
    })
    const read = steps.filter((step) => step.kind === 'source')
    const sum = (of: (step: StepStatus) => number): number => read.reduce((total, step) => total + of(step), 0)
    return {
      pipeline: this.#plan.name,
      host: hostname(),
      pid: process.pid,
      state: this.#state,
      startedAt: new Date(this.#startedAt).toISOString(),
      uptimeMs: now - this.#startedAt,
      epoch: this.#epoch,
      rows: sum((step) => step.rows),
      bytes: sum((step) => step.bytes),
      rowsPerSecond: sum((step) => step.rowsPerSecond),
      bytesPerSecond: sum((step) => step.bytesPerSecond),
      written: this.#written,
      steps,
      lag: this.#lag,
      published: this.#published,
      confirmed: this.#confirmed,
      unconfirmed: this.#unconfirmed.size,
      rewinds: this.#rewinds,
      lastProblem: this.#lastProblem,
      stalled: this.#stalled,
      rssBytes: process.memoryUsage.rss(),
    }
  }

  #mark(checkpoint: number): CheckpointMark {
    return { checkpoint, at: new Date(this.#now()).toISOString() }
  }

  #problem(error: { readonly code: string; readonly message: string }): void {
    this.#lastProblem = { at: new Date(this.#now()).toISOString(), code: error.code, message: error.message }
  }

  #totals(): Record<string, StepTotals> {
    const totals: Record<string, StepTotals> = { ...this.#before }
    for (const steps of this.#lanes.values()) {
      for (const id in steps) {
        const { rows, bytes } = totals[id] ?? { rows: 0, bytes: 0 }
        totals[id] = { rows: rows + (steps[id]?.rows ?? 0), bytes: bytes + (steps[id]?.bytes ?? 0) }
      }
    }
    return totals
  }
}
