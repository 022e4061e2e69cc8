import { tableId, type SourceTable, type TableColumn } from '../../core/changes.ts'
import type { Schema } from '../../core/schema.ts'
import type { ChangeCollector } from './change-collector.ts'
import type { ChangeFormat, ChangeMessage } from './change-format.ts'
import { JsonMembers } from './json-members.ts'
import { memberOf, MessageParts, type Range } from './message-parts.ts'
import type { RowBuffer } from './row-buffer.ts'

const PARTS = new MessageParts(['type', 'database', 'table'], ['data', 'old', 'primary_key_columns'])
type MaxwellParts = ReturnType<typeof PARTS.read>

const ROW_TYPES = new Set(['insert', 'update', 'delete', 'bootstrap-insert'])

/**
 * Maxwell's messages: one row each, values as JSON, `old` with the columns that changed. They tell no types: a table has
 * those that the pipeline declares, or the widest that its values show. They have to bring their key
 * (output_primary_key_columns).
 */
export class MaxwellJson implements ChangeFormat {
  readonly #declared: Schema | undefined
  readonly #known = new Map<string, SourceTable>()
  readonly #row = new JsonMembers()
  readonly #old = new JsonMembers()

  constructor(declared: Schema | undefined) {
    this.#declared = declared?.filter(({ name }) => !name.startsWith('__'))
  }

  decode(message: ChangeMessage, out: ChangeCollector): void {
    if (message.isNull || message.from === message.to) return
    const { buffer } = message
    const parts = PARTS.read(buffer, message.from, message.to)
    const { type, database, table: name } = parts
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
      const { from, to } = memberOf(this.#old, buffer, was, members.key) ?? members
      rows.raw(buffer, from, to)
    }
  }

  #changesKey(buffer: Buffer, { old }: MaxwellParts, key: readonly string[]): boolean {
    return key.some((name) => memberOf(this.#old, buffer, old, name) !== undefined)
  }

  #tableOf(
    buffer: Buffer,
    id: string,
    { database, table: name, data, primary_key_columns: key }: MaxwellParts,
  ): SourceTable {
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
