import { BroadcastChannel } from 'node:worker_threads'
import type { JsonObject } from '../../core/json.ts'
import { byName, type Joining, type LogReads } from './log-reads.ts'
import type { MysqlCdcOptions } from './options.ts'
import { placeOf, type Place } from './stored-place.ts'

/** Tables were read beside the log, as they were at a place of it, and join it there. */
export interface Join {
  readonly joining: Joining
  readonly place: Place
  /** The shapes that their rows had. */
  readonly shapes: Readonly<Record<string, string>>
}

/** What has to become of the tables of a log at the next place between two transactions. */
export type Turn =
  | { readonly kind: 'hold'; readonly patterns: readonly string[] }
  | { readonly kind: 'note'; readonly reads: LogReads }
  /** The log is read again from `place` on, for some tables, up to where it is now. */
  | { readonly kind: 'back'; readonly place: Place; readonly reads: LogReads; readonly shapes: Join['shapes'] }

/** What `paused`, `resync`, and tables that were read beside the log ask for; one after the other. */
export function nextTurn(
  { paused, resync }: Pick<MysqlCdcOptions, 'paused' | 'resync'>,
  reads: LogReads,
  join: Join | undefined,
): Turn | undefined {
  // Tables that joined before have to catch up first.
  if (reads.ahead !== undefined) return undefined
  const again = Object.keys(resync).filter((table) => reads.resynced[table] !== resync[table])
  const toHold = [...paused, ...again.map(byName)]
  const patterns = toHold.filter((pattern) => reads.held[pattern] === undefined)
  if (patterns.length > 0) return { kind: 'hold', patterns }
  if (join?.joining.round === reads.round + 1) return joined(reads, join)
  // Those that are read again wait for their rows, and join with them.
  const released = Object.keys(reads.held).find((key) => !toHold.includes(key) && !key.startsWith(byName('')))
  return released === undefined ? undefined : back(reads, released)
}

function joined(reads: LogReads, { joining, place, shapes }: Join): Turn | undefined {
  const { round, wanted, resync } = joining
  if (wanted !== undefined) return { kind: 'back', place, shapes, reads: { ...reads, round, lists: [wanted] } }
  if (resync === undefined) return undefined
  const turn = back(reads, byName(resync.table))
  // Nobody asks for it any more.
  if (turn?.kind !== 'back') return { kind: 'note', reads: { ...reads, round } }
  const resynced = { ...reads.resynced, [resync.table]: resync.occasion }
  return { ...turn, reads: { ...turn.reads, round, resynced } }
}

function back(reads: LogReads, pattern: string): Turn | undefined {
  const { [pattern]: place, ...held } = reads.held
  return place === undefined ? undefined : { kind: 'back', place, shapes: {}, reads: { ...reads, held } }
}

/** Tells the lane that reads the log which tables join it. A message that is lost is sent again. */
export class JoinSender {
  readonly #channel: BroadcastChannel

  constructor(who: { readonly job: string; readonly id: string }) {
    this.#channel = new BroadcastChannel(channelName(who))
    this.#channel.unref()
  }

  send({ joining, place, shapes }: Join): void {
    this.#channel.postMessage(JSON.stringify({ joining, place, shapes }))
  }

  close(): void {
    this.#channel.close()
  }
}

/** Hears in a lane which tables join the log. Returns the function that ends it. */
export function hearJoins(who: { readonly job: string; readonly id: string }, heard: (join: Join) => void): () => void {
  const channel = new BroadcastChannel(channelName(who))
  channel.unref()
  channel.onmessage = (event: unknown) => {
    const data = typeof event === 'object' && event !== null && 'data' in event ? event.data : undefined
    if (typeof data !== 'string') return
    const json = JSON.parse(data) as JsonObject
    heard({
      joining: json['joining'] as unknown as Joining,
      place: placeOf(json['place']),
      shapes: json['shapes'] as Join['shapes'],
    })
  }
  return () => channel.close()
}

function channelName({ job, id }: { readonly job: string; readonly id: string }): string {
  return `millrace.mysql-cdc.${job}.${id}`
}
