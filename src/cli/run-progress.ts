import type { Plan } from '../plan/plan.ts'
import type { JobEvent } from '../runtime/observer.ts'
import type { StepTotals } from '../runtime/messages.ts'

/** Follows a run in numbers: rows, rates, the last checkpoint. */
export class RunProgress {
  readonly #plan: Plan
  readonly #lanes = new Map<number, Readonly<Record<string, StepTotals>>>()
  readonly #startedAt = performance.now()
  #window: { at: number; rows: number }[] = []
  #confirmed = 0
  #written = 0
  #lag: number | undefined

  constructor(plan: Plan) {
    this.#plan = plan
  }

  see(event: JobEvent): void {
    if (event.kind === 'lane' && event.message.kind === 'progress') this.#lanes.set(event.lane, event.message.steps)
    if (event.kind === 'published') this.#written += event.accounting.written
    if (event.kind === 'confirmed') this.#confirmed = event.checkpoint
    if (event.kind === 'lag') this.#lag = Object.values(event.records).reduce((a, b) => a + b, 0)
  }

  /** One line for a terminal. */
  line(): string {
    const { rows, bytes } = this.#read()
    const parts = [
      this.#plan.name,
      `${count(rows)} rows`,
      `${count(this.#rate(rows))} rows/s`,
      `${megabytes(bytes)} MB`,
      `checkpoint ${this.#confirmed === 0 ? '–' : this.#confirmed}`,
      ...(this.#lag === undefined ? [] : [`lag ${count(this.#lag)}`]),
    ]
    return parts.join('  ·  ')
  }

  summary(): string {
    const seconds = (performance.now() - this.#startedAt) / 1000
    const { rows, bytes } = this.#read()
    return `${this.#plan.name}: read ${count(rows)} rows (${megabytes(bytes)} MB), wrote ${count(this.#written)}, last checkpoint ${this.#confirmed}, ${seconds.toFixed(1)} s`
  }

  numbers(): {
    rows: number
    bytes: number
    rowsPerSecond: number
    written: number
    checkpoint: number
    rssBytes: number
  } {
    const { rows, bytes } = this.#read()
    return {
      rows,
      bytes,
      rowsPerSecond: this.#rate(rows),
      written: this.#written,
      checkpoint: this.#confirmed,
      rssBytes: process.memoryUsage.rss(),
    }
  }

  #read(): StepTotals {
    let rows = 0
    let bytes = 0
    const sources = this.#plan.steps.filter((step) => step.kind === 'source').map((step) => step.id)
    for (const steps of this.#lanes.values()) {
      for (const id of sources) {
        rows += steps[id]?.rows ?? 0
        bytes += steps[id]?.bytes ?? 0
      }
    }
    return { rows, bytes }
  }

  /** Over the last two seconds. */
  #rate(rows: number): number {
    const now = performance.now()
    this.#window.push({ at: now, rows })
    this.#window = this.#window.filter((sample) => now - sample.at <= 2000)
    const first = this.#window[0]
    if (first === undefined || now - first.at < 1) return 0
    return Math.round(((rows - first.rows) * 1000) / (now - first.at))
  }
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}
