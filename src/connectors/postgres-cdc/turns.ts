import { BroadcastChannel } from 'node:worker_threads'
import { parseLsn, formatLsn, type Lsn } from '../../clients/postgres-replication/index.ts'
import type { JsonObject } from '../../core/json.ts'
import type { PostgresCdcOptions } from './options.ts'
import { tableKey, walTableFromJson, walTableToJson, type WalTable } from './split.ts'
import { comparePlaces, keyOfName, type WalPlace, type WalReads } from './wal-position.ts'
import { isMatchedBy } from './wanted-tables.ts'

/** Tables were read beside the log, and join it at a place before which their chunks hold everything. */
export interface Join {
  readonly round: number
  readonly place: Lsn
  readonly tables: readonly WalTable[]
  /** What `tables` was when they were looked for. */
  readonly wanted: readonly string[]
}

/** What is known of a log between two of its changes. */
export interface Standing {
  readonly here: WalPlace
  /** As positions have it. */
  readonly ahead: ReadonlyMap<string, WalPlace>
  readonly reads: WalReads
  /** The tables that are read, with those that are held. */
  readonly tables: readonly { readonly schema: string; readonly name: string }[]
}

/** Reading goes on at another place, for other tables. */
export interface Turn {
  readonly place: WalPlace
  readonly ahead: ReadonlyMap<string, WalPlace>
  readonly reads: WalReads
}

/** What `paused`, `resync`, and tables that were read beside the log ask for; one after the other. */
export function nextTurn(
  options: Pick<PostgresCdcOptions, 'paused' | 'resync'>,
  standing: Standing,
  join: Join | undefined,
): Turn | undefined {
  return held(options, standing) ?? joined(standing, join) ?? released(options, standing)
}

function held({ paused, resync }: Pick<PostgresCdcOptions, 'paused' | 'resync'>, standing: Standing): Turn | undefined {
  const { here, ahead, reads, tables } = standing
  const isPaused = isMatchedBy(paused)
  const occasions = new Map(Object.entries(resync).map(([name, occasion]) => [keyOfName(name), occasion]))
  const again = Object.fromEntries(
    tables.flatMap((table): [string, string][] => {
      const key = tableKey(table)
      const occasion = occasions.get(key)
      const isNew = occasion !== undefined && occasion !== reads.resynced[key] && reads.again[key] === undefined
      return isNew ? [[key, occasion]] : []
    }),
  )
  const keys = tables
    .filter(({ schema, name }) => isPaused(schema, name))
    .map(tableKey)
    .filter((key) => reads.held[key] === undefined)
  const toHold = new Set([...keys, ...Object.keys(again)].filter((key) => reads.held[key] === undefined))
  if (toHold.size === 0 && Object.keys(again).length === 0) return undefined
  const places = [...toHold].map((key) => [key, reachedBy(key, standing)])
  return {
    place: here,
    ahead: new Map([...ahead].filter(([key]) => !toHold.has(key))),
    reads: {
      ...reads,
      held: { ...reads.held, ...Object.fromEntries(places) },
      again: { ...reads.again, ...again },
    },
  }
}

function joined(standing: Standing, join: Join | undefined): Turn | undefined {
  const { reads } = standing
  if (join === undefined || join.round !== reads.round + 1) return undefined
  const keys = new Set(join.tables.map(tableKey))
  const noted = { ...reads, round: join.round, wanted: join.wanted }
  const [again] = [...keys].filter((key) => reads.again[key] !== undefined)
  // What is read again goes on where it was held; all others where their chunks begin.
  const place = (again === undefined ? undefined : reads.held[again]) ?? { lsn: join.place, row: 0 }
  // Rows of before are in the sink: what became of them since has to come, whatever the new ones saw.
  const tables = again === undefined ? join.tables : join.tables.map((table) => ({ ...table, chunks: [], high: 0n }))
  const rest = <T>(of: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(of).filter(([key]) => !keys.has(key)))
  return back(standing, keys, place, {
    ...noted,
    joined: [...reads.joined.filter((table) => !keys.has(tableKey(table))), ...tables],
    left: reads.left.filter((key) => !keys.has(key)),
    held: rest(reads.held),
    again: rest(reads.again),
    resynced: { ...reads.resynced, ...(again === undefined ? {} : { [again]: reads.again[again] ?? '' }) },
  })
}

function released({ paused }: Pick<PostgresCdcOptions, 'paused'>, standing: Standing): Turn | undefined {
  const { reads, tables } = standing
  const isPaused = isMatchedBy(paused)
  const table = tables.find((one) => {
    const key = tableKey(one)
    return reads.held[key] !== undefined && reads.again[key] === undefined && !isPaused(one.schema, one.name)
  })
  if (table === undefined) return undefined
  const key = tableKey(table)
  const { [key]: place, ...others } = reads.held
  return place === undefined ? undefined : back(standing, new Set([key]), place, { ...reads, held: others })
}

/**
 * These tables go on at `place`, and the others where they are: the log is read again from the earlier of the two. It may
 * also be behind `place`, when sinks are slow.
 */
function back(standing: Standing, keys: ReadonlySet<string>, place: WalPlace, reads: WalReads): Turn {
  const { here } = standing
  const from = comparePlaces(place, here) < 0 ? place : here
  const places = standing.tables
    .map(tableKey)
    .filter((key) => !keys.has(key) && reads.held[key] === undefined)
    .map((key): [string, WalPlace] => [key, reachedBy(key, standing)])
  const all = [...places, ...[...keys].map((key): [string, WalPlace] => [key, place])]
  return { place: from, ahead: new Map(all.filter(([, one]) => comparePlaces(one, from) > 0)), reads }
}

function reachedBy(key: string, { here, ahead }: Standing): WalPlace {
  const place = ahead.get(key)
  return place !== undefined && comparePlaces(place, here) > 0 ? place : here
}

/** Tells the lane that reads the log which tables join it. A message that is lost is sent again. */
export class JoinSender {
  readonly #channel: BroadcastChannel

  constructor(application: string) {
    this.#channel = new BroadcastChannel(channelName(application))
    this.#channel.unref()
  }

  send({ round, place, tables, wanted }: Join): void {
    const json: JsonObject = { round, place: formatLsn(place), tables: tables.map(walTableToJson), wanted }
    this.#channel.postMessage(JSON.stringify(json))
  }

  close(): void {
    this.#channel.close()
  }
}

/** Hears in a lane which tables join the log. Returns the function that ends it. */
export function hearJoins(application: string, heard: (join: Join) => void): () => void {
  const channel = new BroadcastChannel(channelName(application))
  channel.unref()
  channel.onmessage = (event: unknown) => {
    const data = typeof event === 'object' && event !== null && 'data' in event ? event.data : undefined
    if (typeof data !== 'string') return
    const { round, place, tables, wanted } = JSON.parse(data) as {
      round: number
      place: string
      tables: JsonObject[]
      wanted: string[]
    }
    heard({ round, place: parseLsn(place), tables: tables.map(walTableFromJson), wanted })
  }
  return () => channel.close()
}

function channelName(application: string): string {
  return `millrace.postgres-cdc.joins.${application}`
}
