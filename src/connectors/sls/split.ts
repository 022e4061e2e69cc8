import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { cursorPosition } from '../../clients/sls/index.ts'

/** What a shard is, apart from where reading stands. */
export interface SlsSplit {
  readonly logstore: string
  readonly shard: number
  /** Seconds since 1970; a logstore that was deleted and made again has shards of other times. */
  readonly created: number
}

/**
 * The next log: the one of this number in the group of this number behind the cursor. Cursors are kept as the service
 * gave them and never made by us.
 */
export interface SlsPosition {
  readonly cursor: string
  readonly group: number
  readonly log: number
}

export function splitIdOf(logstore: string, shard: number): string {
  return `${logstore}/${shard}`
}

export function splitToJson({ logstore, shard, created }: SlsSplit): JsonObject {
  return { logstore, shard, created }
}

export function splitFromJson(json: JsonObject): SlsSplit {
  const { logstore, shard, created } = json
  if (typeof logstore !== 'string' || typeof shard !== 'number' || typeof created !== 'number') throw unreadable(json)
  return { logstore, shard, created }
}

export function positionToJson({ cursor, group, log }: SlsPosition): JsonObject {
  return { cursor, group, log }
}

/** The beginning of the group at a cursor. */
export function positionAt(cursor: string): SlsPosition {
  return { cursor, group: 0, log: 0 }
}

export function positionFromJson(json: JsonObject): SlsPosition {
  const { cursor, group, log } = json
  if (typeof cursor !== 'string' || typeof group !== 'number' || typeof log !== 'number') throw unreadable(json)
  return { cursor, group, log }
}

/** The number of the group, where the service's cursors are numbers. */
export function groupNumber({ cursor, group }: SlsPosition): bigint | undefined {
  const number = cursorPosition(cursor)
  return number === undefined ? undefined : number + BigInt(group)
}

function unreadable(json: JsonObject): MillraceError {
  return new MillraceError(`an SLS position cannot be read: ${JSON.stringify(json)}`, { code: 'STORE_CORRUPT' })
}
