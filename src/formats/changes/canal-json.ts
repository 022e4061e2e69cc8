import { tableId, type SourceTable } from '../../core/changes.ts'
import type { ChangeCollector } from './change-collector.ts'
import type { ChangeFormat, ChangeMessage } from './change-format.ts'
import { arrayElements, BadMessage, JsonMembers, scalarText } from './json-members.ts'
import { memberOf, MessageParts, type Range } from './message-parts.ts'
import { isBinary, isNumeric, mysqlColumn } from './mysql-column.ts'
import type { RowBuffer } from './row-buffer.ts'

interface Known {
  readonly mysqlType: Buffer
  readonly pkNames: Buffer
  readonly table: SourceTable
  readonly numeric: ReadonlySet<string>
  readonly binary: ReadonlySet<string>
}

const PARTS = new MessageParts(['type', 'database', 'table', 'isDdl'], ['data', 'old', 'mysqlType', 'pkNames'])
type CanalParts = ReturnType<typeof PARTS.read>

/**
 * Canal's flat messages, as Canal and TiCDC (canal-json) send them: several rows of a statement in one message, all values
 * as text, `old` with the columns that changed (Canal) or with all of them (TiCDC).
 */
export class CanalJson implements ChangeFormat {
  readonly #known = new Map<string, Known>()
  readonly #row = new JsonMembers()
  readonly #old = new JsonMembers()

  decode(message: ChangeMessage, out: ChangeCollector): void {
    if (message.isNull || message.from === message.to) return
    const parts = PARTS.read(message.buffer, message.from, message.to)
    const { type, database, table: name } = parts
    const id = tableId(database, name)
    if (type === 'TIDB_WATERMARK' || name === '' || !out.wants({ id, database, name })) return
    if (parts.isDdl === 'true') return this.#ddl(type, id, out)
    const known = this.#tableOf(message.buffer, id, parts)
    const rows = parts.data.to === 0 ? [] : arrayElements(message.buffer, parts.data.from, parts.data.to)
    const old = parts.old.to === 0 ? [] : arrayElements(message.buffer, parts.old.from, parts.old.to)
    for (let at = 0; at < rows.length; at += 2) {
      const row = { from: rows[at] ?? 0, to: rows[at + 1] ?? 0 }
      const was = old[at] === undefined ? undefined : { from: old[at] ?? 0, to: old[at + 1] ?? 0 }
      this.#change(message.buffer, type, row, was, known, out)
    }
  }

  #change(buffer: Buffer, type: string, row: Range, was: Range | undefined, known: Known, out: ChangeCollector): void {
    const { table } = known
    const rows = out.open(table)
    if (type === 'DELETE') {
      this.#write(rows, buffer, row, undefined, known)
      return out.end(table, rows, true)
    }
    if (type !== 'INSERT' && type !== 'UPDATE') throw new BadMessage(`its type ${type} is unknown`)
    if (type === 'UPDATE' && was !== undefined && this.#isOtherKey(buffer, row, was, table.key)) {
      this.#write(rows, buffer, row, was, known)
      out.end(table, rows, true)
    }
    this.#write(rows, buffer, row, undefined, known)
    out.end(table, rows, false)
  }

  /** A row; with `was` laid over it, as it was before. */
  #write(rows: RowBuffer, buffer: Buffer, row: Range, was: Range | undefined, known: Known): void {
    const members = this.#row
    members.open(buffer, row.from, row.to)
    while (members.next()) {
      const { key } = members
      rows.name(buffer, members.keyFrom - 1, members.keyTo + 1)
      const value = (was && memberOf(this.#old, buffer, was, key)) ?? { from: members.from, to: members.to }
      this.#writeValue(rows, buffer, value, key, known)
    }
  }

  #writeValue(rows: RowBuffer, buffer: Buffer, { from, to }: Range, key: string, { numeric, binary }: Known): void {
    const isText = buffer[from] === QUOTE
    if (isText && numeric.has(key)) rows.raw(buffer, from + 1, to - 1)
    // Bytes are sent as characters of ISO 8859-1, one for each.
    else if (isText && binary.has(key))
      rows.ascii(`"${Buffer.from(scalarText(buffer, from, to), 'latin1').toString('base64')}"`)
    else rows.raw(buffer, from, to)
  }

  #isOtherKey(buffer: Buffer, row: Range, was: Range, key: readonly string[]): boolean {
    const members = this.#row
    members.open(buffer, row.from, row.to)
    while (members.next()) {
      if (!key.includes(members.key)) continue
      const before = memberOf(this.#old, buffer, was, members.key)
      if (before !== undefined && buffer.compare(buffer, before.from, before.to, members.from, members.to) !== 0)
        return true
    }
    return false
  }

  #tableOf(buffer: Buffer, id: string, { database, table: name, mysqlType, pkNames }: CanalParts): Known {
    const known = this.#known.get(id)
    if (known !== undefined && isAt(known.mysqlType, buffer, mysqlType) && isAt(known.pkNames, buffer, pkNames))
      return known
    if (mysqlType.to === 0) throw new BadMessage('it has no `mysqlType`')
    const types = JSON.parse(buffer.toString('utf8', mysqlType.from, mysqlType.to)) as Record<string, string>
    const columns = Object.entries(types).map(([column, type]) => mysqlColumn(column, type))
    const key = pkNames.to === 0 ? [] : (JSON.parse(buffer.toString('utf8', pkNames.from, pkNames.to)) as string[])
    const made: Known = {
      mysqlType: Buffer.from(buffer.subarray(mysqlType.from, mysqlType.to)),
      pkNames: Buffer.from(buffer.subarray(pkNames.from, pkNames.to)),
      table: { id, database, name, columns, key },
      numeric: new Set(columns.filter(isNumeric).map((column) => column.name)),
      binary: new Set(columns.filter(isBinary).map((column) => column.name)),
    }
    this.#known.set(id, made)
    return made
  }

  /** Rows bring their columns; of statements only those matter that leave no rows behind. */
  #ddl(type: string, id: string, out: ChangeCollector): void {
    const table = this.#known.get(id)?.table
    if (table === undefined) return
    if (type === 'TRUNCATE') out.event(table, { kind: 'truncate' })
    if (type === 'ERASE') out.event(table, { kind: 'drop' })
  }
}

const QUOTE = 0x22

function isAt(bytes: Buffer, buffer: Buffer, { from, to }: Range): boolean {
  return bytes.length === to - from && buffer.compare(bytes, 0, bytes.length, from, to) === 0
}
