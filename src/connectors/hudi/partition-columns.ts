/** A column whose values make the directories of a table. */
export interface PartitionColumn {
  readonly name: string
  /** Row-wise SQL that makes the value, as text; absent: the rows have the column. */
  readonly expression?: string
}

/**
 * Reads an entry of `partitionBy`: the name of a column, or `<expression> AS <name>`. `undefined` for anything else.
 */
export function parsePartitionColumn(entry: string): PartitionColumn | undefined {
  const text = entry.trim()
  if (IDENTIFIER.test(text)) return { name: text }
  const [, expression, name] = /^([^]*\S)\s+as\s+([A-Za-z_][A-Za-z0-9_]*)$/i.exec(text) ?? []
  return expression === undefined || name === undefined ? undefined : { name, expression }
}

/** As `parsePartitionColumn`, for entries that were checked with the options. */
export function partitionColumns(entries: readonly string[]): readonly PartitionColumn[] {
  return entries.flatMap((entry) => parsePartitionColumn(entry) ?? [])
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/
