import type { SourceTable, TableColumn } from '../../../core/changes.ts'
import { MillraceError } from '../../../core/errors.ts'
import { targetType, type TableDialect } from './target-type.ts'

export interface TargetName {
  readonly database: string
  readonly table: string
}

/** How new tables are made. */
export interface TableMaking {
  readonly dialect: TableDialect
  readonly buckets: number | undefined
  readonly properties: Readonly<Record<string, string>>
}

/**
 * A primary-key (StarRocks) or unique-key (Doris, merge on write) table. Key columns come first, as both servers want it.
 * All others may be NULL: a delete brings its key only, and a column that the source drops stays.
 */
export function createTable(target: TargetName, shape: SourceTable, making: TableMaking): string {
  const { dialect, buckets, properties } = making
  const { key } = shape
  if (key.length === 0) {
    throw new MillraceError(
      `${shape.id} has no primary key, so changes to its rows cannot be followed: name columns that identify a row in its route, key: [column]`,
      { code: 'SCHEMA', detail: { table: shape.id } },
    )
  }
  const keyColumns = key.flatMap((name) => shape.columns.filter((column) => column.name === name))
  const others = shape.columns.filter(({ name }) => !key.includes(name))
  const columns = [
    ...keyColumns.map((column) => `${quoted(column.name)} ${targetType(column, true, dialect)} NOT NULL`),
    ...others.map((column) => columnClause(column, dialect)),
  ]
  const names = key.map(quoted).join(', ')
  const isStarRocks = dialect === 'starrocks'
  const all = { ...(isStarRocks ? {} : uniqueProperties(shape)), ...properties }
  const spread = buckets === undefined ? (isStarRocks ? '' : ' BUCKETS AUTO') : ` BUCKETS ${buckets}`
  const given = Object.entries(all).map(([name, value]) => `${literal(name)} = ${literal(value)}`)
  return [
    `CREATE TABLE IF NOT EXISTS ${nameOf(target)} (${columns.join(', ')})`,
    `${isStarRocks ? 'PRIMARY' : 'UNIQUE'} KEY (${names})`,
    `DISTRIBUTED BY HASH(${names})${spread}`,
    ...(given.length === 0 ? [] : [`PROPERTIES (${given.join(', ')})`]),
  ].join(' ')
}

/** Doris guards the order of changes by a hidden column, whose type is said when the table is made. */
function uniqueProperties(shape: SourceTable): Record<string, string> {
  const guard = shape.sequence === undefined ? {} : { 'function_column.sequence_type': 'bigint' }
  return { enable_unique_key_merge_on_write: 'true', ...guard }
}

export function addColumn(target: TargetName, column: TableColumn, dialect: TableDialect): string {
  return `ALTER TABLE ${nameOf(target)} ADD COLUMN ${columnClause(column, dialect)}`
}

export function dropColumn(target: TargetName, column: string): string {
  return `ALTER TABLE ${nameOf(target)} DROP COLUMN ${quoted(column)}`
}

export function modifyColumn(target: TargetName, column: TableColumn, dialect: TableDialect): string {
  return `ALTER TABLE ${nameOf(target)} MODIFY COLUMN ${columnClause(column, dialect)}`
}

export function renameColumn(target: TargetName, from: string, to: string, dialect: TableDialect): string {
  return `ALTER TABLE ${nameOf(target)} RENAME COLUMN ${quoted(from)}${dialect === 'starrocks' ? ' TO' : ''} ${quoted(to)}`
}

export function truncateTable(target: TargetName): string {
  return `TRUNCATE TABLE ${nameOf(target)}`
}

function columnClause(column: TableColumn, dialect: TableDialect): string {
  return `${quoted(column.name)} ${targetType(column, false, dialect)} NULL`
}

export function nameOf({ database, table }: TargetName): string {
  return `${quoted(database)}.${quoted(table)}`
}

export function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

export function literal(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
