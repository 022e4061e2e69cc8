import { hash } from 'node:crypto'
import { STAGE_COLUMNS, type SqlDialect } from './dialect.ts'
import type { TargetColumn } from './target.ts'

/** Begins the names of all staging tables of a sink. */
export function stagePrefix(job: string, sink: string): string {
  return `millrace_stage_${hash('sha256', `${job}\0${sink}`).slice(0, 12)}_`
}

/** The columns of a staging table: those of the rows, as the target has them. Another shape is another table. */
export interface StageShape {
  readonly name: string
  readonly columns: readonly TargetColumn[]
  readonly key: readonly string[]
  /** Definitions of `columns`. */
  readonly definitions: readonly string[]
}

/**
 * NULL where the target takes none is refused here already, before the checkpoint is published. Rows to delete may have
 * nothing but their key, so where there are such rows, it is looked for by `missingSql`.
 */
export function stageShape(
  prefix: string,
  dialect: SqlDialect,
  rows: { readonly columns: readonly TargetColumn[]; readonly key: readonly string[]; readonly hasDeletes: boolean },
): StageShape {
  const { columns, key, hasDeletes } = rows
  const definitions = columns.map((column) =>
    dialect.stageColumn(column, !key.includes(column.name) && (hasDeletes || column.isNullable)),
  )
  const name = `${prefix}${hash('sha256', JSON.stringify([definitions, key])).slice(0, 8)}`
  return { name, columns, key, definitions }
}

/** Counts staged rows that the target will refuse; undefined where there can be none. */
export function missingSql(dialect: SqlDialect, { columns, key }: StageShape): string | undefined {
  const strict = columns.filter(({ name, isNullable }) => !isNullable && !key.includes(name))
  if (strict.length === 0) return undefined
  return `__op = 0 AND (${strict.map(({ name }) => `${dialect.quote(name)} IS NULL`).join(' OR ')})`
}

/** Rows of a page that is sent again find themselves by the key: of the target's rows, or lane and number. */
export function stageKey({ key }: Pick<StageShape, 'key'>): readonly string[] {
  return key.length === 0 ? ['__epoch', '__checkpoint', '__lane', '__seq'] : ['__epoch', '__checkpoint', ...key]
}

export function createStageSql(dialect: SqlDialect, shape: StageShape): string {
  const { int, bigint, small } = dialect.types
  const types: Readonly<Record<(typeof STAGE_COLUMNS)[number], string>> = {
    __epoch: bigint,
    __checkpoint: bigint,
    __lane: int,
    __seq: bigint,
    __op: small,
    __chunk: small,
  }
  const own = STAGE_COLUMNS.map((name) => `${dialect.quote(name)} ${types[name]} NOT NULL`)
  const key = stageKey(shape)
    .map((name) => dialect.quote(name))
    .join(', ')
  return `CREATE TABLE IF NOT EXISTS ${dialect.qualified(shape.name)} (${[...own, ...shape.definitions].join(', ')}, PRIMARY KEY (${key}))`
}
