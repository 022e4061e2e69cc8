import type { CheckpointEntry, Decision, DecisionEntry } from '../../checkpoint/entries.ts'
import type { SplitPosition } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import { Audit, type Origin } from './audit.ts'

/** Reads along what stands in the checkpoint log, and holds what happens elsewhere against it. */
export class LogWatch {
  readonly violations: string[] = []
  readonly #published = new Set<string>()
  #confirmed: CheckpointId = 0
  /** A server has thrown away what was prepared, or the names by which it could tell: only then may anybody decide. */
  hasServerForgotten = false
  /** Something was lost of which no rows are kept, or of which nobody can tell. */
  mayRewind = false
  whenLossIsAccepted: () => void = () => undefined
  /** Up to which row a split has been visible in every sink. */
  visible: (split: string) => number = () => 0
  /** Told when an operator went back, and from which row on each split is read again; returns what takes that back. */
  whenWentBack: (to: (split: string) => number) => () => void = () => () => undefined
  /** The entry by which an operator went back, while nothing follows it. */
  #wentBack: { readonly isThere: () => boolean; readonly takeBack: () => void } | undefined

  /** An audit of one sink. */
  newAudit(): Audit {
    return new Audit((origin) => this.#published.has(keyOf(origin)))
  }

  violation(what: string): void {
    this.violations.push(what)
  }

  /**
   * An append was tried, and these bytes stand in the slot: from now on every process can see the entry. `isThere` tells
   * whether they still do.
   */
  stands(bytes: Uint8Array, isThere: () => boolean): void {
    const { kind, epoch, checkpoint } = headOf(bytes)
    if (kind === 'checkpoint') this.#stands(bytes, isThere, keyOf({ epoch, checkpoint }))
    if (kind === 'confirm') {
      this.#confirmed = Math.max(this.#confirmed, checkpoint)
      this.#wentBack = undefined
    }
    if (kind === 'decision') this.#decided(entryIn<DecisionEntry>(bytes).decision)
  }

  #stands(bytes: Uint8Array, isThere: () => boolean, key: string): void {
    const isKnown = this.#published.has(key)
    this.#published.add(key)
    if (isKnown || !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('"rollback":')) return
    const positions = new Map<string, number>()
    for (const { split, at } of Object.values(entryIn<CheckpointEntry>(bytes).sources).flat()) {
      positions.set(split, Number(at['seq']))
    }
    const takeBack = this.whenWentBack((split) => positions.get(split) ?? 0)
    this.#wentBack = { isThere, takeBack }
  }

  /** What was not synced may be gone: an operator whose entry is lost has not gone back. */
  powerWasCut(): void {
    if (this.#wentBack?.isThere() === false) this.#wentBack.takeBack()
    this.#wentBack = undefined
  }

  #decided(decision: Decision): void {
    if (decision.action === 'accept-loss') this.whenLossIsAccepted()
    if (!this.hasServerForgotten) {
      this.violation('a decision about checkpoints was taken although no server lost anything')
    }
    if (decision.action !== 'reload') {
      if (!this.mayRewind) this.violation(`${decision.action} although the rows were kept`)
      return
    }
    const { epoch, checkpoint, committable } = decision.item
    this.#published.add(keyOf({ epoch, checkpoint, attempt: Number(committable['attempt']) }))
  }

  acknowledged(positions: readonly SplitPosition[], checkpoint: CheckpointId): void {
    if (checkpoint > this.#confirmed) {
      this.violation(`checkpoint ${checkpoint} was acknowledged upstream before it was confirmed`)
    }
    for (const { split, next } of positions) {
      const [at, visible] = [Number(next['seq']), this.visible(split)]
      if (at > visible) this.violation(`${split} was acknowledged up to ${at}, visible is ${visible}`)
    }
  }
}

function keyOf({ epoch, checkpoint, attempt = 0 }: Origin): string {
  return `${epoch}/${checkpoint}/${attempt}`
}

interface Head {
  readonly kind: string
  readonly epoch: number
  readonly checkpoint: number
}

/** What a process of ours has just encoded needs no proof, and a manifest is long: its head says what is asked here. */
function headOf(bytes: Uint8Array): Head {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, HEAD_BYTES)).toString('latin1')
  const [, kind = ''] = /"kind":"(\w+)"/.exec(text) ?? []
  const [, epoch] = /"epoch":(\d+)/.exec(text) ?? []
  const [, checkpoint] = /"checkpoint":(\d+)/.exec(text) ?? []
  return { kind, epoch: Number(epoch), checkpoint: Number(checkpoint) }
}

const HEAD_BYTES = 600

function entryIn<T>(bytes: Uint8Array): T {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  return JSON.parse(text.slice(0, text.indexOf('\n'))) as T
}
