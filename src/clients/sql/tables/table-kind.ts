import { OP_COLUMN } from '../../../core/changes.ts'
import { MillraceError } from '../../../core/errors.ts'
import type { RoutedTable } from '../../../core/routes.ts'
import type { Schema } from '../../../core/schema.ts'
import type { PageTarget, SqlDialect } from '../dialect.ts'
import type { TargetTable } from '../target.ts'

/** Rows of one table that have the same columns. */
export interface TableKind {
  readonly target: PageTarget
  /** What is read from the rows. */
  readonly schema: Schema
}

/**
 * How rows of this shape go into their target. Columns that the target does not have are not written: the policy of the
 * sink has decided about them before.
 */
export function tableKind(
  { shape, database, table: name, version }: RoutedTable,
  partial: readonly string[] | undefined,
  { dialect, table, isWhole }: { dialect: SqlDialect; table: TargetTable | undefined; isWhole: boolean },
): TableKind {
  const qualified = dialect.qualified(name, database)
  if (table === undefined) throw new MillraceError(`writing to ${qualified}: the table is missing`, { code: 'SCHEMA' })
  const there = new Set(table.columns.filter(({ isGenerated }) => !isGenerated).map((column) => column.name))
  const written = shape.columns.filter(
    (column) => there.has(column.name) && (partial === undefined || partial.includes(column.name)),
  )
  const columns = written.map((column) => column.name)
  const lost = shape.key.find((column) => !columns.includes(column))
  if (lost !== undefined) {
    throw new MillraceError(`writing to ${qualified}: the table has no column ${lost}, a part of its key`, {
      code: 'SCHEMA',
    })
  }
  if (version !== undefined && !columns.includes(version)) {
    const who = there.has(version) ? 'rows of the source without' : 'the table has no'
    throw new MillraceError(`writing to ${qualified}: ${who} column ${version}, which is to guard its rows`, {
      code: 'SCHEMA',
    })
  }
  return {
    target: {
      table: qualified,
      fields: isWhole ? table.columns.map((column) => column.name) : columns,
      columns,
      key: shape.key,
      version,
      isPartial: partial !== undefined,
      whenThere: 'update',
    },
    schema: [...written, { name: OP_COLUMN, type: 'tinyint', nullable: false }],
  }
}
