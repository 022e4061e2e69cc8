import { tableId, type SourceTable, type TableColumn } from '../../core/changes.ts'
import type { Schema } from '../../core/schema.ts'
import type { ChangeCollector } from './change-collector.ts'
import type { ChangeFormat, ChangeMessage } from './change-format.ts'
import { BadMessage, JsonMembers } from './json-members.ts'
import type { RowBuffer } from './row-buffer.ts'

interface Range {
  readonly from: number
  readonly to: number
}

const NONE: Range = { from: 0, to: 0 }
const ROW_TYPES = new Set(['insert', 'update', 'delete', 'bootstrap-insert'])

/**
 * Maxwell's messages: one row each, values as JSON, `old` with the columns that changed. They tell no types: a table has
 * those that the pipeline declares, or the widest that its values show. They have to bring their key
 * (output_primary_key_columns).
 */
export class MaxwellJson implements ChangeFormat {
  readonly #declared: Schema | undefined
  readonly #known = new Map<string, SourceTable>()
  readonly #members = new JsonMembers()
  readonly #row = new JsonMembers()
  readonly #old = new JsonMembers()

  constructor(declared: Schema | undefined) {
    this.#declared = declared?.filter(({ name }) => !name.startsWith('__'))
  }

  decode(message: ChangeMessage, out: ChangeCollector): void {
    if (message.isNull || message.from === message.to) return
    const { buffer } = message
    const parts = this.#partsOf(message)
    const { type, database, name } = parts
    const id = tableId(database, name)
    if (name === '' || !out.wants({ id, database, name })) return
    if (type === 'table-drop' || !ROW_TYPES.has(type)) return
    const table = this.#tableOf(buffer, id, parts)
    const rows = out.open(table)
    const isUpdated = type === 'update' && parts.old.to > 0
    if (isUpdated && this.#changesKey(buffer, parts, table.key)) {
      this.#write(rows, buffer, parts.data, parts.old)
      out.end(table, rows, true)
    }
    this.#write(rows, buffer, parts.data, undefined)
    out.end(table, rows, type === 'delete')
  }

  #write(rows: RowBuffer, buffer: Buffer, row: Range, was: Range | undefined): void {
    if (was === undefined) return rows.members(buffer, row.from, row.to)
    const members = this.#row
    members.open(buffer, row.from, row.to)
    while (members.next()) {
      rows.name(buffer, members.keyFrom - 1, members.keyTo + 1)
      const { from, to } = this.#memberOf(buffer, was, members.key) ?? members
      rows.raw(buffer, from, to)
    }
  }

  #memberOf(buffer: Buffer, object: Range, key: string): Range | undefined {
    const members = this.#old
    members.open(buffer, object.from, object.to)
    while (members.next()) if (members.key === key) return { from: members.from, to: members.to }
    return undefined
  }

  #changesKey(buffer: Buffer, { old }: Parts, key: readonly string[]): boolean {
    return key.some((name) => this.#memberOf(buffer, old, name) !== undefined)
  }

  #tableOf(buffer: Buffer, id: string, { database, name, data, key }: Parts): SourceTable {
    const known = this.#known.get(id)
    const members = this.#row
    const columns = new Map(known?.columns.map((column) => [column.name, column]))
    let isNew = known === undefined
    if (this.#declared !== undefined && known === undefined) {
      for (const column of this.#declared) columns.set(column.name, column)
    }
    members.open(buffer, data.from, data.to)
    while (this.#declared === undefined && members.next()) {
      const column = columnOf(members, columns.get(members.key))
      if (column === columns.get(column.name)) continue
      columns.set(column.name, column)
      isNew = true
    }
    if (!isNew && known !== undefined) return known
    const keyNames = key.to === 0 ? [] : (JSON.parse(buffer.toString('utf8', key.from, key.to)) as string[])
    const table = { id, database, name, columns: [...columns.values()], key: keyNames }
    this.#known.set(id, table)
    return table
  }

  #partsOf({ buffer, from, to }: ChangeMessage): Parts {
    const members = this.#members
    const parts = { type: '', database: '', name: '', data: NONE, old: NONE, key: NONE }
    members.open(buffer, from, to)
    while (members.next()) {
      if (members.isNull) continue
      const range = { from: members.from, to: members.to }
      switch (members.key) {
        case 'type':
          parts.type = members.text
          break
        case 'database':
          parts.database = members.text
          break
        case 'table':
          parts.name = members.text
          break
        case 'data':
          parts.data = range
          break
        case 'old':
          parts.old = range
          break
        case 'primary_key_columns':
          parts.key = range
          break
      }
    }
    if (parts.type === '') throw new BadMessage('it has no `type`')
    return parts
  }
}

interface Parts {
  readonly type: string
  readonly database: string
  readonly name: string
  readonly data: Range
  readonly old: Range
  readonly key: Range
}

/** Types only grow: a table that is made for whole numbers has to take a fraction later. */
function columnOf(value: JsonMembers, known: TableColumn | undefined): TableColumn {
  const type = shownType(value)
  const holds = known?.type === 'varchar' || (known?.type === 'double' && type === 'bigint')
  if (known !== undefined && (type === undefined || type === known.type || holds)) return known
  const isWider = known === undefined || known.type === 'json' || (known.type === 'bigint' && type === 'double')
  return { name: value.key, type: isWider ? (type ?? 'varchar') : 'varchar', nullable: true }
}

function shownType(value: JsonMembers): string | undefined {
  const first = value.buffer[value.from] ?? 0
  if (first === 0x6e) return undefined
  if (first === 0x22) return 'varchar'
  if (first === 0x74 || first === 0x66) return 'boolean'
  if (first === 0x7b || first === 0x5b) return 'json'
  return /^-?\d+$/.test(value.text) ? 'bigint' : 'double'
}
