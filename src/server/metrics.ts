import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { JobEvent } from '../index.ts'

type LaneMessage = (JobEvent & { kind: 'lane' })['message']
type Totals = (LaneMessage & { kind: 'progress' })['steps']

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** Labels come from ids of the pipeline file and from words of connectors, never from data. */
const RESULT = /^[a-z][a-z_-]{0,31}$/

/**
 * What happens in a job as metrics for Prometheus. A metric appears with its first value: one that nothing feeds would
 * be an alert that never fires.
 */
export class JobMetrics {
  readonly #registry = new Registry()
  readonly #now: () => number
  readonly #kinds: ReadonlyMap<string, string>
  readonly #lanes = new Map<number, Totals>()
  /** Seconds behind, by source and lane. */
  readonly #behind = new Map<string, Map<number, number>>()
  readonly #metrics = new Map<string, Counter | Gauge | Histogram>()
  /** When each checkpoint that is not confirmed was published, oldest first. */
  readonly #unconfirmed = new Map<number, number>()
  /** When the first row of each checkpoint was read that is not confirmed. */
  readonly #firstRows = new Map<number, number>()
  #firstRow: number | undefined

  constructor(pipeline: string, steps: readonly { readonly id: string; readonly kind: string }[], now: () => number) {
    this.#registry.setDefaultLabels({ pipeline })
    this.#kinds = new Map(steps.map((step) => [step.id, step.kind]))
    this.#now = now
  }

  see(event: JobEvent): void {
    switch (event.kind) {
      case 'claimed':
        this.#lanes.clear()
        this.#behind.clear()
        return this.#gauge('millrace_epoch', 'Run epoch, one more at every start and every rewind.').set(event.epoch)
      case 'started':
        this.#firstRow = undefined
        this.#stalled(undefined)
        return this.#gauge('millrace_epoch', '').set(event.epoch)
      case 'triggered':
        if (this.#firstRow !== undefined) this.#firstRows.set(event.checkpoint, this.#firstRow)
        this.#firstRow = undefined
        return
      case 'published':
        this.#unconfirmed.set(event.checkpoint, this.#now())
        this.#deadLetters(event.deadLetters)
        return this.#timer(
          'millrace_checkpoint_seconds',
          'From the barrier until the checkpoint was published.',
          event.tookMs / 1000,
        )
      case 'confirmed':
        return this.#confirmed(event.checkpoint)
      case 'rewinding':
        return this.#count('millrace_rewinds_total', 'Times that the job went back to its last checkpoint.', 1, {})
      case 'lag':
        for (const [source, records] of Object.entries(event.records)) {
          this.#gauge('millrace_source_lag_records', 'Records behind the head of the source.', ['source']).set(
            { source },
            records,
          )
        }
        return
      case 'headroom':
        for (const [source, seconds] of Object.entries(event.seconds)) {
          const help = 'Until the source forgets what the last published checkpoint goes on with.'
          this.#gauge('millrace_retention_headroom_seconds', help, ['source']).set({ source }, seconds)
        }
        return
      case 'safe-downtime':
        for (const { part, ms } of event.parts) {
          const help = 'How long the job may be down before something of this source or sink expires.'
          this.#gauge('millrace_safe_downtime_seconds', help, ['part']).set({ part }, ms / 1000)
        }
        return this.#expiring(undefined)
      case 'expiring':
        return this.#expiring(event.what?.part)
      case 'stall':
        return this.#stalled(event.what)
      case 'lane':
        return this.#lane(event.lane, event.message)
      case 'restored':
      case 'ended':
      case 'halted':
    }
  }

  /** The text format of Prometheus. */
  text(): Promise<string> {
    const [oldest] = this.#unconfirmed.values()
    this.#gauge('millrace_commit_lag_seconds', 'Age of the oldest published checkpoint that is not confirmed.').set(
      oldest === undefined ? 0 : (this.#now() - oldest) / 1000,
    )
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  #lane(lane: number, message: LaneMessage): void {
    if (message.kind === 'read') this.#firstRow ??= this.#now()
    if (message.kind === 'progress') this.#progress(lane, message.steps)
    if (message.kind === 'observe' && message.name === 'load_seconds') {
      this.#timer('millrace_load_seconds', 'Time of one load into a sink.', message.seconds)
    }
    if (message.kind === 'behind') this.#isBehind(lane, message)
    if (message.kind === 'exchanged') this.#exchanged(message)
    if (message.kind === 'kept') {
      const help = 'Rows that a step keeps in a lane: results, keys, or rows that wait for a partner.'
      this.#gauge('millrace_state_rows', help, ['step', 'lane']).set({ step: message.step, lane }, message.rows)
    }
    if (message.kind !== 'count') return
    const { sink = '', result = '' } = message.labels
    if (message.name === 'loads') {
      const labels = { sink, result: RESULT.test(result) ? result : 'other' }
      this.#count('millrace_loads_total', 'Loads into sinks.', message.by, labels)
    }
  }

  #exchanged({ exchange: step, kept, moved, scattered }: LaneMessage & { kind: 'exchanged' }): void {
    const help = 'Rows at an exchange between lanes: kept in the lane that read them, or moved to another.'
    this.#count('millrace_exchange_records_total', help, kept, { step, way: 'kept' })
    this.#count('millrace_exchange_records_total', help, moved, { step, way: 'moved' })
    const keys = this.#gauge(
      'millrace_exchange_scattered_keys',
      'Keys with so many rows that they go to several lanes.',
      ['step'],
    )
    keys.set({ step }, scattered)
  }

  /** Of several lanes, the one that is behind most. */
  #isBehind(lane: number, { source, ms }: LaneMessage & { kind: 'behind' }): void {
    const lanes = this.#behind.get(source) ?? new Map<number, number>()
    this.#behind.set(source, lanes)
    if (ms === undefined) lanes.delete(lane)
    else lanes.set(lane, ms / 1000)
    if (lanes.size === 0) return
    const help = 'How old the newest records of the source were when they were handled.'
    this.#gauge('millrace_event_time_lag_seconds', help, ['source']).set({ source }, Math.max(...lanes.values()))
  }

  /** Lanes tell totals since their thread began. */
  #progress(lane: number, steps: Totals): void {
    const before = this.#lanes.get(lane)
    this.#lanes.set(lane, steps)
    for (const step in steps) {
      const { rows = 0, bytes = 0 } = steps[step] ?? {}
      const labels = { step, direction: this.#kinds.get(step) === 'sink' ? 'in' : 'out' }
      this.#count('millrace_records_total', 'Records that passed a step.', rows - (before?.[step]?.rows ?? 0), labels)
      // A step between source and sink counts no bytes.
      if (bytes === 0) continue
      this.#count(
        'millrace_bytes_total',
        'Bytes that passed a step, as they were read.',
        bytes - (before?.[step]?.bytes ?? 0),
        labels,
      )
    }
  }

  /** Counted when they are published: a rewind counts none twice. */
  #deadLetters(parts: ReadonlyMap<string, { readonly rows: number }> = new Map()): void {
    for (const [part, { rows }] of parts) {
      this.#count('millrace_dead_letters_total', 'Records that were put aside, by who could not carry them.', rows, {
        part,
      })
    }
  }

  #stalled(stalled: string | undefined): void {
    const gauge = this.#gauge('millrace_stalled', '1: the job runs, and this stands still.', ['what'])
    for (const what of ['reading', 'committing']) gauge.set({ what }, what === stalled ? 1 : 0)
  }

  #expiring(part: string | undefined): void {
    const help = '1: nothing was confirmed for half of the safe downtime.'
    this.#gauge('millrace_expiring', help).set(part === undefined ? 0 : 1)
  }

  #confirmed(checkpoint: number): void {
    const firstRow = this.#firstRows.get(checkpoint)
    if (firstRow !== undefined) {
      const help = 'From reading the first row of a checkpoint until all of it was visible.'
      this.#timer('millrace_visibility_lag_seconds', help, (this.#now() - firstRow) / 1000)
    }
    for (const times of [this.#firstRows, this.#unconfirmed]) {
      for (const one of times.keys()) if (one <= checkpoint) times.delete(one)
    }
  }

  #count(name: string, help: string, by: number, labels: Readonly<Record<string, string>>): void {
    if (by < 0) return
    const counter = this.#metric(
      name,
      () => new Counter({ name, help, labelNames: Object.keys(labels), registers: [] }),
    )
    ;(counter as Counter).inc(labels, by)
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return this.#metric(name, () => new Gauge({ name, help, labelNames, registers: [] })) as Gauge
  }

  #timer(name: string, help: string, seconds: number): void {
    const histogram = this.#metric(name, () => new Histogram({ name, help, buckets: SECONDS, registers: [] }))
    ;(histogram as Histogram).observe(seconds)
  }

  #metric(name: string, make: () => Counter | Gauge | Histogram): Counter | Gauge | Histogram {
    const known = this.#metrics.get(name)
    if (known !== undefined) return known
    const made = make()
    this.#metrics.set(name, made)
    this.#registry.registerMetric(made)
    return made
  }
}
