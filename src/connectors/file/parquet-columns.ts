import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { duckType, parseColumnType, quoteName, quoteText, type LaneDatabase } from '../../dataplane/index.ts'
import {
  columnTypes,
  exactCast,
  FILE_ROW,
  rowGroupColumn,
  type ByteRanges,
  type ParquetFooter,
  type RowSelect,
} from '../../dataplane/parquet-source/index.ts'

/**
 * How the columns of the schema are taken from a file, by name.
 *
 * @throws MillraceError `SCHEMA` when one is missing or cannot become the schema's type without loss.
 */
export async function selectByName(
  database: LaneDatabase,
  file: ByteRanges,
  footer: ParquetFooter,
  wanted: {
    readonly schema: Schema
    readonly reads?: readonly string[] | undefined
    readonly metadata: readonly string[]
  },
): Promise<RowSelect> {
  const { schema, reads, metadata } = wanted
  const columns = schema.map(({ name }) => {
    const number = footer.columns.findIndex((column) => column.name === name)
    if (number < 0) throw mismatch(file, `it has no column ${name}`)
    return number
  })
  const types = await columnTypes(database, file, footer, columns)
  // Rows have to be counted even when no column is read.
  const read = columns.filter((_, index) => reads?.includes(schema[index]?.name ?? '') ?? true)
  if (read.length === 0) read.push(...columns.slice(0, 1))
  const list = schema.map(({ name, type }, index) => {
    const given = types[index]?.text ?? ''
    const wantedType = parseColumnType(type)
    const at = read.indexOf(columns[index] ?? -1)
    const value = exactCast(rowGroupColumn(Math.max(0, at)), given, wantedType, name)
    if (value === undefined) throw mismatch(file, `its column ${name} is ${given}, the schema wants ${type}`)
    return `${at < 0 ? `CAST(NULL AS ${duckType(wantedType)})` : value} AS ${quoteName(name)}`
  })
  for (const name of metadata) {
    list.push(`${name === '_offset' ? FILE_ROW : quoteText(file.name)} AS ${quoteName(name)}`)
  }
  return { columns: read, list: list.join(', '), condition: undefined }
}

function mismatch(file: ByteRanges, why: string): MillraceError {
  return new MillraceError(`reading ${file.name}: ${why}`, { code: 'SCHEMA', detail: { file: file.name } })
}
