import { EVENT } from './binlog-event.ts'
import { PacketFields } from './packet-fields.ts'
import { inflateMariadb } from './query-event.ts'

export type RowsKind = 'write' | 'update' | 'delete'

/** Rows of one table. `image` has them one behind the other from `from` on; an update has two images for each. */
export interface RowsEvent {
  readonly kind: RowsKind
  readonly tableId: number
  readonly columns: number
  /** All columns are there, in all images. */
  readonly isWhole: boolean
  /** Images after an update have parts of documents: `RowLines.wholeImages` puts them together. */
  readonly hasParts: boolean
  readonly image: Buffer
  readonly from: number
}

const KINDS: ReadonlyMap<number, RowsKind> = new Map([
  [EVENT.writeRowsV1, 'write'],
  [EVENT.writeRows, 'write'],
  [EVENT.mariadbWriteRowsCompressed, 'write'],
  [EVENT.updateRowsV1, 'update'],
  [EVENT.updateRows, 'update'],
  [EVENT.mariadbUpdateRowsCompressed, 'update'],
  [EVENT.partialUpdateRows, 'update'],
  [EVENT.deleteRowsV1, 'delete'],
  [EVENT.deleteRows, 'delete'],
  [EVENT.mariadbDeleteRowsCompressed, 'delete'],
])

export function rowsKind(type: number): RowsKind | undefined {
  return KINDS.get(type)
}

/** Table (6), flags (2), in version 2 extra data with its length; columns, and a bitmap of those that each image has. */
export function parseRows(type: number, kind: RowsKind, body: Buffer): RowsEvent {
  const hasParts = type === EVENT.partialUpdateRows
  const hasExtra = hasParts || type === EVENT.writeRows || type === EVENT.updateRows || type === EVENT.deleteRows
  const fields = new PacketFields(body, 8)
  if (hasExtra) fields.at += body.readUInt16LE(8)
  const columns = fields.length()
  const bytes = (columns + 7) >> 3
  const isWhole = hasAll(fields.take(bytes), columns) && (kind !== 'update' || hasAll(fields.take(bytes), columns))
  const base = { kind, tableId: body.readUIntLE(0, 6), columns, isWhole, hasParts }
  const isCompressed = type >= EVENT.mariadbWriteRowsCompressed
  return isCompressed
    ? { ...base, image: inflateMariadb(fields.rest()), from: 0 }
    : { ...base, image: body, from: fields.at }
}

function hasAll(bitmap: Buffer, columns: number): boolean {
  for (let index = 0; index < columns; index++) {
    if (((bitmap[index >> 3] ?? 0) & (1 << (index & 7))) === 0) return false
  }
  return true
}
