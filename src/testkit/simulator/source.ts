import { z } from 'zod'
import type { Batch, Body, Item } from '../../core/batch.ts'
import type { Connector } from '../../core/connector.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Clock } from '../../core/context.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import type { Row } from './audit.ts'
import { thisProcess } from './process.ts'
import type { VirtualTime } from './virtual-time.ts'

const ROW_EVERY_MS = 40
const POLL_MAX_MS = { busy: 12, usual: 120 }
const BATCH_ROWS = 4
/** Of the split that is finished long before the others, where splits have an end. */
const EARLY_ROWS = 50
const DISCOVERY_MS = 700

/** A log of numbered rows: every split gets one row after the other until the log is closed. */
export class NumberedLog {
  readonly #time: VirtualTime
  readonly #bornAt = new Map<string, number>()
  readonly #endsEarly: string | undefined
  #closedAt: number | undefined

  /** How long a reader waits at most between two looks. */
  readonly pollMaxMs: number

  constructor(time: VirtualTime, splits: number, isBusy: boolean, isBounded: boolean) {
    this.#time = time
    this.#endsEarly = isBounded && splits > 1 ? 's1' : undefined
    this.pollMaxMs = isBusy ? POLL_MAX_MS.busy : POLL_MAX_MS.usual
    for (let split = 0; split < splits; split++) this.grow()
  }

  get splits(): readonly string[] {
    return [...this.#bornAt.keys()]
  }

  get isClosed(): boolean {
    return this.#closedAt !== undefined
  }

  grow(): void {
    this.#bornAt.set(`s${this.#bornAt.size}`, this.#time.now)
  }

  close(): void {
    this.#closedAt ??= this.#time.now
  }

  rows(split: string): number {
    const until = this.#closedAt ?? this.#time.now
    const rows = Math.max(0, Math.floor((until - (this.#bornAt.get(split) ?? until)) / ROW_EVERY_MS)) + 1
    return split === this.#endsEarly ? Math.min(rows, EARLY_ROWS) : rows
  }

  /** Nothing more will come. */
  hasEnded(split: string): boolean {
    return this.isClosed || (split === this.#endsEarly && this.rows(split) === EARLY_ROWS)
  }
}

/**
 * `follow`: the source has no end and finds new splits; otherwise it ends when its log is closed. `lines`: rows come as bytes,
 * which can travel between lanes.
 */
const options = z.strictObject({ follow: z.boolean(), lines: z.boolean() })

export const connector: Connector = {
  name: 'numbered',
  summary: 'Numbered rows of a simulated log',
  source: {
    options,
    describe: () => ({
      delivery: { class: 'atomic', reason: 'rows are computed', assumptions: [] },
      bounded: true,
      gives: ['rows'],
      format: 'json',
      metadata: [],
      findings: [],
    }),
    create: async (raw) => {
      const { follow, lines } = options.parse(raw)
      return {
        check: async () => [],
        enumerator: ({ clock }) => ({
          discoveryIntervalMs: follow ? DISCOVERY_MS : undefined,
          verify: async (restored) => verify(restored),
          discover: async (known) => {
            await clock.sleep(2)
            const { log } = thisProcess().world
            return log.splits.filter((split) => !known.has(split)).map((split) => ({ split, spec: {}, at: { seq: 0 } }))
          },
          lag: async () => new Map(),
          acknowledge: async (positions, permit) =>
            thisProcess().world.watch.acknowledged(positions, permit.checkpoint),
          close: async () => undefined,
        }),
        reader: ({ clock }) => new NumberedReader(clock, follow, lines ? linesOf : rowsOf),
      }
    },
  },
}

/** Law 4: no position may ask for rows that were never there. */
async function verify(restored: readonly SplitAssignment[]): Promise<void> {
  const { log } = thisProcess().world
  for (const { split, at } of restored) {
    if (Number(at['seq']) > log.rows(split)) {
      throw new MillraceError(`${split} ends before the position`, { code: 'POSITION_AHEAD' })
    }
  }
}

class NumberedReader implements SplitReader {
  readonly #clock: Clock
  readonly #follow: boolean
  readonly #bodyOf: (rows: readonly Row[]) => Body
  #open: { readonly split: string; seq: number }[] = []

  constructor(clock: Clock, follow: boolean, bodyOf: (rows: readonly Row[]) => Body) {
    this.#clock = clock
    this.#follow = follow
    this.#bodyOf = bodyOf
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#open = []
    this.add(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    for (const { split, at } of splits) this.#open.push({ split, seq: Number(at['seq']) })
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    const { log, random } = thisProcess().world
    await this.#clock.sleep(random.between(1, log.pollMaxMs), signal)
    if (signal.aborted) return []
    const items: Item[] = []
    for (const reading of this.#open) {
      const rows = log.rows(reading.split)
      const to = Math.min(rows, reading.seq + BATCH_ROWS)
      if (to > reading.seq) items.push(batchOf(reading.split, reading.seq, to, this.#bodyOf))
      reading.seq = to
      const isAtEnd = !this.#follow && log.hasEnded(reading.split) && to === rows
      if (isAtEnd) items.push({ kind: 'split-end', split: reading.split, at: { seq: to } })
    }
    if (!this.#follow) this.#open = this.#open.filter(({ split, seq }) => !log.hasEnded(split) || seq < log.rows(split))
    return items
  }

  async close(): Promise<void> {}
}

function rowsOf(rows: readonly Row[]): Body {
  return { kind: 'rows', rows: rows as unknown as Readonly<Record<string, unknown>>[], schema: [] }
}

function linesOf(rows: readonly Row[]): Body {
  const buffer = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return { kind: 'bytes', buffer, length: buffer.length, separator: 0x0a }
}

function batchOf(split: string, from: number, to: number, bodyOf: (rows: readonly Row[]) => Body): Batch {
  const rows: Row[] = []
  for (let seq = from; seq < to; seq++) rows.push({ split, seq })
  return {
    kind: 'batch',
    split,
    from: { seq: from },
    next: { seq: to },
    body: bodyOf(rows),
    rows: rows.length,
    bytes: rows.length,
    release: () => undefined,
  }
}
