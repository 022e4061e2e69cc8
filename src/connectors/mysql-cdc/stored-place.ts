import { MillraceError } from '../../core/errors.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { BinlogPlace } from '../../clients/mysql-replication/index.ts'

/** Which server's files a place counts in: its uuid, or in MariaDB its id. GTIDs mean the same on all of them. */
export interface Place extends BinlogPlace {
  readonly server: string
}

/** JSON has no `undefined`: a place without GTIDs has null there. */
export function storedPlace(place: BinlogPlace, server: string): Place {
  const { flavour, gtid, file, position } = place
  return { flavour, ...(gtid === undefined ? {} : { gtid }), file, position, server } as Place
}

export function placeOf(json: Json | undefined): Place {
  if (!isObject(json)) throw unreadable(json ?? null)
  const { flavour, gtid, file, position, server } = json
  if (flavour !== 'mysql' && flavour !== 'mariadb') throw unreadable(json)
  if (typeof file !== 'string' || typeof position !== 'number' || typeof server !== 'string') throw unreadable(json)
  return { flavour, gtid: typeof gtid === 'string' ? gtid : undefined, file, position, server }
}

export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

export function unreadable(json: Json): MillraceError {
  return new MillraceError(`a position of mysql-cdc cannot be read: ${JSON.stringify(json)}`, { code: 'STORE_CORRUPT' })
}
