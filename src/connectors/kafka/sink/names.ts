import { hash8, nameToken } from '../../../core/name-token.ts'

/** What makes a transactional id, apart from which of its lane's ids it is. */
export interface SinkName {
  readonly prefix: string
  readonly job: string
  readonly sink: string
  readonly topic: string
}

/** A transactional id taken apart. */
export interface IdParts {
  readonly lane: number
  readonly epoch: number
  readonly slot: number
}

/**
 * `<prefix>_<h8(job)>_<sink>_<h8(topic)>_<lane>_e<E>_s<slot>`. Brokers remember an id for days, so there is not one for each
 * checkpoint: a slot is used again when its last transaction is known to be committed. The epoch is in the name because
 * fencing must never reach a later run.
 */
export function transactionalId(name: SinkName, { lane, epoch, slot }: IdParts): string {
  return `${idPrefix(name)}${lane}_e${epoch}_s${slot}`
}

export function sinkName(
  { transactionalIdPrefix, topic }: { readonly transactionalIdPrefix: string; readonly topic: string },
  { job, id }: { readonly job: string; readonly id: string },
): SinkName {
  return { prefix: transactionalIdPrefix, job, sink: id, topic }
}

/** How all ids of a sink begin, and no others. */
export function idPrefix({ prefix, job, sink, topic }: SinkName): string {
  return `${prefix}_${hash8(job)}_${nameToken(sink)}_${hash8(topic)}_`
}

/** Undefined for an id that is not of this sink. */
export function parseId(name: SinkName, id: string): IdParts | undefined {
  const start = idPrefix(name)
  const match = id.startsWith(start) ? /^(\d+)_e(\d+)_s(\d+)$/.exec(id.slice(start.length)) : null
  if (match === null) return undefined
  const [lane = 0, epoch = 0, slot = 0] = match.slice(1).map(Number)
  return { lane, epoch, slot }
}
