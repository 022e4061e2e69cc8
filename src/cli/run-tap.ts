import { MillraceError } from '../core/errors.ts'
import type { Plan } from '../plan/plan.ts'
import type { Job } from '../runtime/job.ts'
import type { JobEvent } from '../runtime/observer.ts'

const RECORD_CHARACTERS_MAX = 4096

interface OpenTap {
  readonly step: string
  left: number
  readonly show: (records: readonly string[]) => void
  readonly end: () => void
}

/** The one tap of a run: opened by a client of the control socket, fed by the lanes. */
export class RunTap {
  readonly #plan: Plan
  #job: Job | undefined
  #open: OpenTap | undefined

  constructor(plan: Plan) {
    this.#plan = plan
  }

  /** A job has started, perhaps after another one in the same process. */
  follow(job: Job): void {
    this.#job = job
  }

  /** Returns what closes it early. Throws when the step has no records to show or somebody else looks. */
  open(step: string, limit: number, show: OpenTap['show'], end: OpenTap['end']): () => void {
    const giving = this.#plan.steps.filter((one) => one.kind !== 'sink').map((one) => one.id)
    if (!giving.includes(step)) {
      const known = this.#plan.steps.some((one) => one.id === step)
      const why = known ? `no records leave the sink "${step}"` : `there is no step "${step}"`
      throw new MillraceError(`${why}; these can be tapped: ${giving.join(', ')}`, { code: 'CONFIG' })
    }
    if (this.#open !== undefined)
      throw new MillraceError('another client is tapping this job; one can at a time', { code: 'CONFIG' })
    const tap: OpenTap = { step, left: limit, show, end }
    this.#open = tap
    this.#job?.tap(step, limit)
    return () => this.#close(tap)
  }

  see(event: JobEvent): void {
    const tap = this.#open
    if (tap === undefined) return
    if (event.kind === 'started') this.#job?.tap(tap.step, tap.left)
    if (event.kind !== 'lane' || event.message.kind !== 'tapped' || event.message.step !== tap.step) return
    // Each lane shows up to the limit: who comes late is not shown.
    const records = event.message.lines.slice(0, tap.left)
    tap.left -= records.length
    tap.show(records.map(shortened))
    if (tap.left > 0) return
    this.#close(tap)
    tap.end()
  }

  #close(tap: OpenTap): void {
    if (this.#open !== tap) return
    this.#open = undefined
    this.#job?.tap(undefined, 0)
  }
}

function shortened(record: string): string {
  if (record.length <= RECORD_CHARACTERS_MAX) return record
  return `${record.slice(0, RECORD_CHARACTERS_MAX)}… (${record.length} characters)`
}
