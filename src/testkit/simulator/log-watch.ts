import { decodeEntry } from '../../checkpoint/entries.ts'
import type { SplitPosition } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import type { Audit, Origin } from './audit.ts'

/** Reads along what stands in the checkpoint log, and holds what happens elsewhere against it. */
export class LogWatch {
  readonly #audit: Audit
  readonly #published = new Set<string>()
  #confirmed: CheckpointId = 0
  /** A server has thrown away what was prepared, or the names by which it could tell: only then may anybody decide. */
  hasServerForgotten = false
  whenLossIsAccepted: () => void = () => undefined

  constructor(audit: (isPublished: (origin: Origin) => boolean) => Audit) {
    this.#audit = audit(({ epoch, checkpoint }) => this.#published.has(`${epoch}/${checkpoint}`))
  }

  get audit(): Audit {
    return this.#audit
  }

  /** An append was tried, and these bytes stand in the slot: from now on every process can see the entry. */
  stands(seq: number, bytes: Uint8Array): void {
    const entry = decodeEntry(bytes, seq)
    if (entry.kind === 'checkpoint') this.#published.add(`${entry.epoch}/${entry.checkpoint}`)
    if (entry.kind === 'confirm') this.#confirmed = Math.max(this.#confirmed, entry.checkpoint)
    if (entry.kind === 'decision' && entry.decision.action === 'accept-loss') this.whenLossIsAccepted()
    if (entry.kind === 'decision' && !this.hasServerForgotten) {
      this.#audit.violation('a decision about checkpoints was taken although no server lost anything')
    }
  }

  acknowledged(positions: readonly SplitPosition[], checkpoint: CheckpointId): void {
    if (checkpoint > this.#confirmed) {
      this.#audit.violation(`checkpoint ${checkpoint} was acknowledged upstream before it was confirmed`)
    }
    for (const { split, next } of positions) {
      const [at, visible] = [Number(next['seq']), this.#audit.visible(split)]
      if (at > visible) this.#audit.violation(`${split} was acknowledged up to ${at}, visible is ${visible}`)
    }
  }
}
