import { isSameSink, type Owner, ownerText } from './owner.ts'

/** A pending write instant that was found on the timeline when a run starts. */
export interface StrayFacts {
  readonly owner: Owner | undefined
  /** Whether a published checkpoint lists it. */
  readonly wanted: boolean
}

export interface StrayScope {
  readonly sink: Pick<Owner, 'job' | 'sink'>
  /** Only instants of run epochs below this one may be touched. */
  readonly below: number
}

export type StrayDecision =
  | { readonly act: 'keep' }
  | { readonly act: 'rollback'; readonly owner: Owner }
  | { readonly act: 'refuse'; readonly reason: string }

/**
 * Only what is clearly ours, from an older run, and of no published checkpoint is rolled back. A pending instant of
 * anybody else stops us: incremental readers fail while an older instant is pending, and some snapshot readers would
 * show its files as soon as we commit a newer one.
 */
export function decideStray({ owner, wanted }: StrayFacts, { sink, below }: StrayScope): StrayDecision {
  if (wanted) return { act: 'keep' }
  if (owner === undefined || !isSameSink(sink, owner)) {
    return { act: 'refuse', reason: `it is pending and belongs to ${ownerText(owner)}` }
  }
  return owner.epoch < below ? { act: 'rollback', owner } : { act: 'keep' }
}
