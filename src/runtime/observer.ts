import type { CheckpointId, PendingCommittable, RunEpoch } from '../core/checkpoint-types.ts'
import type { MillraceError } from '../core/errors.ts'
import type { Accounting } from '../checkpoint/entries.ts'
import type { Aging, PartDowntime } from '../checkpoint/expiry.ts'
import type { FromLane } from './messages.ts'
import type { Stall } from './stall-detector.ts'

/** What happens in a run, for progress displays, logs and metrics. Observers must not throw. */
export type JobEvent =
  | { readonly kind: 'claimed'; readonly epoch: RunEpoch }
  | { readonly kind: 'restored'; readonly from: CheckpointId; readonly recommitted: number }
  | { readonly kind: 'started'; readonly epoch: RunEpoch }
  | { readonly kind: 'triggered'; readonly checkpoint: CheckpointId }
  | {
      readonly kind: 'published'
      readonly checkpoint: CheckpointId
      readonly accounting: Accounting
      readonly tookMs: number
      readonly committables: readonly PendingCommittable[]
      /** What was put aside, by part of the pipeline. */
      readonly deadLetters?: ReadonlyMap<string, { readonly rows: number }> | undefined
    }
  | { readonly kind: 'confirmed'; readonly checkpoint: CheckpointId; readonly tookMs: number }
  | { readonly kind: 'rewinding'; readonly error: MillraceError; readonly pauseMs: number }
  | { readonly kind: 'lag'; readonly records: Readonly<Record<string, number>> }
  /** Until sources forget what the last published checkpoint goes on with. */
  | { readonly kind: 'headroom'; readonly seconds: Readonly<Record<string, number>> }
  /** How long the job may be down, for each source and sink that knows. */
  | { readonly kind: 'safe-downtime'; readonly parts: readonly PartDowntime[] }
  /** Nothing was confirmed for half of the time after which this expires; `undefined`: it is confirmed again. */
  | { readonly kind: 'expiring'; readonly what: Aging | undefined }
  /** The job stands still, or (`undefined`) moves again. */
  | { readonly kind: 'stall'; readonly what: Stall | undefined }
  | { readonly kind: 'lane'; readonly lane: number; readonly message: FromLane }
  | { readonly kind: 'ended'; readonly as: 'finished' | 'stopped' }
  | { readonly kind: 'halted'; readonly error: MillraceError }

export type JobObserver = (event: JobEvent) => void
