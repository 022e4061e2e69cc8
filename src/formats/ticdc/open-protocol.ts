import { tableId, type SourceTable, type TableColumn } from '../../core/changes.ts'
import type { ChangeMessage } from '../changes/change-format.ts'
import { BadMessage, JsonMembers } from '../changes/json-members.ts'
import { RowBuffer } from '../changes/row-buffer.ts'
import type { FeedFormat, FeedSink } from './feed-format.ts'
import { framesOf, unquotedBytes } from './framed-json.ts'

/** Kinds of messages: the `t` of a key. */
const ROW = '1'
const DDL = '2'
const RESOLVED = '3'
/** Kinds of statements (TiDB, parser/model/ddl.go). */
const DDL_DROP_TABLE = '4'
const DDL_TRUNCATE_TABLE = '11'

/** Bits of a column's `f`. */
const BINARY = 0x01
const NULLABLE = 0x40
const UNSIGNED = 0x80

/** MySQL's type codes; TiCDC tells no lengths and no digits. */
const TYPES: Readonly<Record<number, string>> = {
  1: 'tinyint',
  2: 'smallint',
  3: 'integer',
  4: 'float',
  5: 'double',
  7: 'timestamp',
  8: 'bigint',
  9: 'integer',
  10: 'date',
  11: 'time',
  12: 'timestamp',
  13: 'integer',
  14: 'date',
  16: 'ubigint',
  245: 'json',
}
/** TEXT and BLOB of all sizes: their values are base64. */
const isLarge = (code: number): boolean => code >= 249 && code <= 252

interface Field {
  code: number
  flags: number
  isKey: boolean
  from: number
  to: number
}

/**
 * TiCDC's open protocol: several changes in one message, their keys in its key and their columns in its value, each with
 * its length before it.
 */
export class OpenProtocol implements FeedFormat {
  readonly #known = new Map<string, SourceTable>()
  readonly #members = new JsonMembers()
  readonly #field = new JsonMembers()
  readonly #row = new RowBuffer(0)

  decode(message: ChangeMessage, out: FeedSink): void {
    const { keyBuffer, keyFrom, keyTo, buffer, from, to } = message
    if (keyTo - keyFrom < 8 || keyBuffer.readBigUInt64BE(keyFrom) !== 1n)
      throw new BadMessage('its key is not of version 1')
    const keys = framesOf(keyBuffer, keyFrom + 8, keyTo)
    const values = framesOf(buffer, from, to)
    for (let at = 0; at < keys.length; at += 2) {
      const key = this.#keyOf(keyBuffer, keys[at] ?? 0, keys[at + 1] ?? 0)
      const range = { from: values[at] ?? 0, to: values[at + 1] ?? 0 }
      if (key.kind === RESOLVED) out.watermark(key.ts)
      else if (key.kind === ROW) this.#change(buffer, range, key, out)
      else if (key.kind === DDL) this.#statement(buffer, range, key, out)
      else throw new BadMessage(`it is of the unknown kind ${key.kind}`)
    }
  }

  #change(buffer: Buffer, { from, to }: { from: number; to: number }, key: Key, out: FeedSink): void {
    const { id, database, name, ts } = key
    if (!out.wants({ id, database, name })) return
    const parts: { [part: string]: { from: number; to: number } } = {}
    const members = this.#members
    members.open(buffer, from, to)
    while (members.next()) if (!members.isNull) parts[members.key] = { from: members.from, to: members.to }
    const { u, p, d } = parts
    const now = u === undefined ? undefined : this.#read(buffer, u, key)
    const before = p === undefined ? undefined : this.#read(buffer, p, key)
    if (now !== undefined && before !== undefined && now.keyText !== before.keyText)
      out.row({ commitTs: ts, table: now.table, isDelete: true, text: this.#text(buffer, before, true) })
    if (now !== undefined)
      out.row({ commitTs: ts, table: now.table, isDelete: false, text: this.#text(buffer, now, false) })
    if (d === undefined) {
      if (now === undefined) throw new BadMessage('a row has neither `u` nor `d`')
      return
    }
    const gone = this.#read(buffer, d, key)
    // A delete may bring the key only: the table's shape is that of its other rows.
    const table = this.#known.get(id) ?? gone.table
    out.row({ commitTs: ts, table, isDelete: true, text: this.#text(buffer, gone, true) })
  }

  #statement(buffer: Buffer, { from, to }: { from: number; to: number }, key: Key, out: FeedSink): void {
    const table = this.#known.get(key.id)
    if (table === undefined || !out.wants(table)) return
    const members = this.#members
    members.open(buffer, from, to)
    while (members.next()) {
      if (members.key !== 't') continue
      if (members.text === DDL_TRUNCATE_TABLE) out.event({ commitTs: key.ts, table, event: { kind: 'truncate' } })
      if (members.text === DDL_DROP_TABLE) out.event({ commitTs: key.ts, table, event: { kind: 'drop' } })
    }
  }

  #keyOf(buffer: Buffer, from: number, to: number): Key {
    const members = this.#members
    let [ts, database, name, kind] = ['', '', '', '']
    members.open(buffer, from, to)
    while (members.next()) {
      if (members.key === 'ts') ts = members.text
      else if (members.key === 'scm') database = members.text
      else if (members.key === 'tbl') name = members.text
      else if (members.key === 't') kind = members.text
      else if (members.key === 'ohk' || members.key === 'ccl')
        throw new BadMessage('it is too large for its topic and was sent in part only: raise max-message-bytes')
    }
    if (!/^\d+$/.test(ts)) throw new BadMessage('its key has no timestamp')
    return { ts: BigInt(ts), database, name, kind, id: tableId(database, name) }
  }

  #read(buffer: Buffer, { from, to }: { from: number; to: number }, { id, database, name }: Key): Read {
    const members = this.#members
    const fields = new Map<string, Field>()
    members.open(buffer, from, to)
    while (members.next()) fields.set(members.key, this.#fieldOf(buffer, members.from, members.to))
    const columns = [...fields].map(([column, field]) => columnOf(column, field))
    const key = [...fields].filter(([, { isKey }]) => isKey).map(([column]) => column)
    const known = this.#known.get(id)
    const isSame =
      known !== undefined &&
      known.columns.length === columns.length &&
      columns.every((column, at) => column.name === known.columns[at]?.name && column.type === known.columns[at].type)
    const table = isSame ? known : { id, database, name, columns, key }
    // Deletes may have the key only.
    if (!isSame && (known === undefined || columns.length >= known.columns.length)) this.#known.set(id, table)
    return { table, fields, keyText: key.map((column) => textAt(buffer, fields.get(column))).join('\0') }
  }

  #fieldOf(buffer: Buffer, from: number, to: number): Field {
    const members = this.#field
    const field: Field = { code: 0, flags: 0, isKey: false, from: 0, to: 0 }
    members.open(buffer, from, to)
    while (members.next()) {
      if (members.key === 't') field.code = Number(members.text)
      else if (members.key === 'f') field.flags = Number(members.text)
      else if (members.key === 'h') field.isKey = members.text === 'true'
      else if (members.key === 'v') Object.assign(field, { from: members.from, to: members.to })
    }
    return field
  }

  #text(buffer: Buffer, { fields }: Read, isDelete: boolean): Buffer {
    const row = this.#row
    row.reset()
    for (const [column, field] of fields) {
      const name = Buffer.from(JSON.stringify(column))
      row.name(name, 0, name.length)
      const value = textAt(buffer, field)
      const isText = buffer[field.from] === 0x22
      if (!isText) row.ascii(value)
      else if (isLarge(field.code) && (field.flags & BINARY) === 0) row.string(Buffer.from(value, 'base64').toString())
      else if (!isLarge(field.code) && isBytes(field)) row.ascii(`"${unquotedBytes(value).toString('base64')}"`)
      else row.string(value)
    }
    row.end(isDelete)
    return Buffer.from(row.buffer.subarray(0, row.length - 1))
  }
}

interface Key {
  readonly ts: bigint
  readonly id: string
  readonly database: string
  readonly name: string
  readonly kind: string
}

interface Read {
  readonly table: SourceTable
  readonly fields: ReadonlyMap<string, Field>
  readonly keyText: string
}

function textAt(buffer: Buffer, field: Field | undefined): string {
  if (field === undefined || field.to === 0) return 'null'
  const text = buffer.toString('utf8', field.from, field.to)
  return buffer[field.from] === 0x22 ? (JSON.parse(text) as string) : text
}

function isBytes({ code, flags }: Field): boolean {
  return (code === 15 || code === 253 || code === 254) && (flags & BINARY) !== 0
}

function columnOf(name: string, field: Field): TableColumn {
  const plain = TYPES[field.code]
  const isUnsigned = (field.flags & UNSIGNED) !== 0 && plain !== undefined && /int|integer/.test(plain)
  const isBlob = isBytes(field) || (isLarge(field.code) && (field.flags & BINARY) !== 0)
  const type = isBlob ? 'blob' : isUnsigned && !plain.startsWith('u') ? `u${plain}` : (plain ?? 'varchar')
  return { name, type, nullable: (field.flags & NULLABLE) !== 0 }
}
