import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { OP } from './describe-sink.ts'
import { STAGE_COLUMNS, type PageTarget, type SqlDialect } from './dialect.ts'
import { modeOf, type TableSinkOptions } from './options.ts'
import { stageKey, stageShape, type StageShape } from './stage.ts'
import type { TargetColumn, TargetTable } from './target.ts'

/** The columns of the target that the rows have, in the order of the rows. */
export function writtenColumns(schema: Schema, table: TargetTable, name: string): readonly TargetColumn[] {
  return schema
    .filter((column) => column.name !== OP)
    .map((column) => {
      const found = table.columns.find((one) => one.name === column.name)
      if (found !== undefined) return found
      throw new MillraceError(`writing to ${name}: the table has no column ${column.name} any more`, { code: 'SCHEMA' })
    })
}

/** Where pages of the mode `upsert` go. `isWhole`: row texts have every column of the table. */
export function directTarget(
  options: TableSinkOptions,
  dialect: SqlDialect,
  { columns, table, isWhole }: { columns: readonly TargetColumn[]; table: TargetTable; isWhole: boolean },
): PageTarget {
  return {
    table: dialect.qualified(options.table),
    fields: (isWhole ? table.columns : columns).map(({ name }) => name),
    columns: columns.map(({ name }) => name),
    key: options.key,
    version: options.version,
    isPartial: false,
    whenThere: 'update',
  }
}

/** Where pages of the mode `transactional` go: of a key the last change stays, rows without one are told apart by number. */
export function stagedTarget(options: TableSinkOptions, dialect: SqlDialect, shape: StageShape): PageTarget {
  const fields = [...STAGE_COLUMNS, ...shape.columns.map(({ name }) => name)]
  return {
    table: dialect.qualified(shape.name),
    fields,
    columns: fields,
    key: stageKey(shape),
    version: options.version,
    isPartial: false,
    whenThere: options.key.length === 0 ? 'keep' : 'update',
  }
}

export function shapeOf(
  options: TableSinkOptions,
  dialect: SqlDialect,
  prefix: string,
  rows: { readonly columns: readonly TargetColumn[]; readonly schema: Schema },
): StageShape | undefined {
  if (modeOf(options) === 'upsert') return undefined
  const hasDeletes = rows.schema.some(({ name }) => name === OP)
  return stageShape(prefix, dialect, { columns: rows.columns, key: options.key, hasDeletes })
}
