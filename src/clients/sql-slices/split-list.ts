import { MillraceError } from '../../core/errors.ts'
import type { SliceDialect, SliceSession } from './dialect.ts'

/** One split that the user wants: the table, or a row of the split list. */
export interface WantedSplit {
  readonly name: string
  readonly table: string
  readonly where: string | undefined
}

export interface SplitListOptions {
  readonly id: string
  readonly table?: string | undefined
  readonly where?: string | undefined
  readonly splitsFrom?: { readonly query: string } | undefined
}

/** Columns of the list that mean something by themselves; all others are only values for `:name` in `where`. */
const SPLIT = 'split'
const TABLE = 'table'
const WHERE = 'where'

/**
 * The splits of a source. Without `splitsFrom` there is one, the table. With it every row is one: `split` names it for
 * ever, `table` and `where` replace and add to the options of the same names, and every column may stand in `where` as
 * `:column`.
 */
export async function wantedSplits(
  session: SliceSession,
  dialect: SliceDialect,
  { id, table, where, splitsFrom }: SplitListOptions,
): Promise<readonly WantedSplit[]> {
  if (splitsFrom === undefined) return [{ name: table ?? '', table: table ?? '', where }]
  const { columns, rows } = await session.table(splitsFrom.query)
  if (!columns.includes(SPLIT)) {
    const message = `splitsFrom of ${id}: the query gives ${columns.join(', ')}, and no column \`split\` that names each row`
    throw new MillraceError(message, { code: 'CONFIG' })
  }
  const splits = rows.map((row) => {
    const values = new Map(columns.map((column, index) => [column, row[index] ?? null]))
    return splitOf(values, { id, table, where }, dialect)
  })
  const twice = splits.find(({ name }, index) => splits.findIndex((other) => other.name === name) !== index)
  if (twice !== undefined) {
    throw new MillraceError(`splitsFrom of ${id}: two rows have the same \`split\``, { code: 'CONFIG' })
  }
  return splits
}

function splitOf(
  values: ReadonlyMap<string, string | null>,
  { id, table, where }: Omit<SplitListOptions, 'splitsFrom'>,
  dialect: SliceDialect,
): WantedSplit {
  const name = values.get(SPLIT)
  if (name === null || name === undefined || !/^[^/\p{Cc}]{1,100}$/u.test(name)) {
    const message = `splitsFrom of ${id}: \`split\` has to be a name of at most 100 characters, without slashes`
    throw new MillraceError(message, { code: 'CONFIG' })
  }
  const from = values.get(TABLE) ?? table
  if (from === undefined) {
    throw new MillraceError(`splitsFrom of ${id}: neither the query nor the source names a table`, { code: 'CONFIG' })
  }
  const conditions = [where, values.get(WHERE) ?? undefined].filter((one) => one !== undefined)
  const filled = conditions.map((condition) => `(${fillIn(condition, values, dialect)})`)
  return { name, table: from, where: filled.length === 0 ? undefined : filled.join(' AND ') }
}

/** Puts values in the place of `:name`, outside of texts, quoted names and casts. Other names stay as they are. */
export function fillIn(
  sql: string,
  values: ReadonlyMap<string, string | null>,
  dialect: Pick<SliceDialect, 'text'>,
): string {
  return sql.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|::|:([a-z_]\w*)/gi, (found: string, name?: string) => {
    if (name === undefined || !values.has(name)) return found
    const value = values.get(name)
    return value === null || value === undefined ? 'NULL' : dialect.text(value)
  })
}
