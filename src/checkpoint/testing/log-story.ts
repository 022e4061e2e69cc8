import fc from 'fast-check'
import type { PendingCommittable } from '../../core/checkpoint-types.ts'
import type { Decision, LogEntry, SplitState } from '../entries.ts'
import { baseOf, foldLineage } from '../lineage.ts'

/** A log as processes write it; each claim is another process unless it says whose rewind it is. */
export class Story {
  entries: LogEntry[] = []
  epoch = 0
  nonce = ''
  #next = 1
  #clean = 0

  claim(nonce: string): this {
    this.epoch += 1
    this.nonce = nonce
    return this.#add({ kind: 'claim', next: this.#next, host: 'h', pid: 1 })
  }

  /** What earlier epochs left is swept; the next entry says so. */
  swept(): this {
    this.#clean = this.epoch
    return this
  }

  begin(moment: string, seq = 0): this {
    return this.#add({ kind: 'begin', sources: { in: { moment, splits: [split(seq)] } } })
  }

  checkpoint(checkpoint: number, pending: readonly (readonly [number, string])[] = []): this {
    const items = pending.map(([of, sink]) => item(of, sink))
    const sources = { in: [split(checkpoint * 10)] }
    const rest = { fingerprint: 'f', delivery: 'exact', sources, sinks: {}, accounting: NOTHING, tookMs: 1 }
    this.#next = checkpoint + 1
    return this.#add({ kind: 'checkpoint', checkpoint, pending: items, ...rest })
  }

  confirm(checkpoint: number): this {
    return this.#add({ kind: 'confirm', checkpoint })
  }

  decide(decision: Decision): this {
    return this.#add({ kind: 'decision', decision, by: 'somebody', reason: '' })
  }

  end(kind: 'stopped' | 'finished'): this {
    return this.#add({ kind })
  }

  #add(entry: object): this {
    const { epoch, nonce } = this
    const seq = this.entries.length
    const base = baseOf(this.entries) ?? seq
    const head = { format: 2, seq, job: 'j', epoch, nonce, parent: '', base, clean: this.#clean, at: '' }
    this.entries.push({ ...head, ...entry } as unknown as LogEntry)
    return this
  }
}

const NOTHING = { read: 0, copied: 0, filtered: 0, deadLettered: 0, written: 0 }
export const SINKS: readonly string[] = ['a', 'b']

export function split(seq: number): SplitState {
  return { split: 's', spec: {}, at: { seq }, finished: false }
}

export function item(checkpoint: number, sink: string): PendingCommittable {
  return { sink, checkpoint, epoch: 1, orderKey: sink, rows: 1, committable: { name: `${sink}${checkpoint}` } }
}

export function names(pending: readonly PendingCommittable[]): string[] {
  return pending.map(({ sink, checkpoint }) => `${sink}${checkpoint}`)
}

/** Random lives of a pipeline, as the ledger lets them happen. */
export const turn: fc.Arbitrary<string> = fc.constantFrom(
  ...['publish', 'publish', 'publish', 'confirm', 'confirm', 'start', 'rewind', 'void', 'mark', 'sweep', 'begin'],
)

export function tell(turns: readonly string[]): Story {
  const story = new Story().claim('p0')
  let next = 1
  let processes = 1
  let unconfirmed: number[] = []
  for (const what of turns) {
    const newest = foldLineage(story.entries).newest?.checkpoint ?? 0
    if (what === 'start') story.claim(`p${processes++}`)
    if (what === 'rewind') story.claim(story.nonce)
    if (what === 'sweep') story.swept()
    if (what === 'begin') story.begin('latest', next)
    if (what === 'publish') {
      unconfirmed.push(next)
      story.checkpoint(
        next,
        unconfirmed.flatMap((of) => SINKS.map((sink) => [of, sink] as const)),
      )
      next += 1
    }
    const oldest = unconfirmed[0]
    if (oldest === undefined) continue
    if (what === 'confirm') {
      story.confirm(oldest)
      unconfirmed = unconfirmed.slice(1)
    }
    if (what === 'void' && newest === unconfirmed.at(-1)) {
      story.decide({ action: 'rewind', void: newest })
      unconfirmed = unconfirmed.slice(0, -1)
    }
    if (what === 'mark') story.decide({ action: 'mark-committed', checkpoint: oldest, sink: 'a' })
  }
  return story
}
