import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { parseColumnType, quoteName, quoteText, type LaneDatabase } from '../../dataplane/index.ts'
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
  wanted: { readonly schema: Schema; readonly metadata: readonly string[] },
): Promise<RowSelect> {
  const { schema, metadata } = wanted
  const columns = schema.map(({ name }) => {
    const number = footer.columns.findIndex((column) => column.name === name)
    if (number < 0) throw mismatch(file, `it has no column ${name}`)
    return number
  })
  const types = await columnTypes(database, file, footer, columns)
  const list = schema.map(({ name, type }, index) => {
    const given = types[index] ?? ''
    const value = exactCast(rowGroupColumn(index), given, parseColumnType(type), name)
    if (value === undefined) throw mismatch(file, `its column ${name} is ${given}, the schema wants ${type}`)
    return `${value} AS ${quoteName(name)}`
  })
  for (const name of metadata) {
    list.push(`${name === '_offset' ? FILE_ROW : quoteText(file.name)} AS ${quoteName(name)}`)
  }
  return { columns, list: list.join(', '), condition: undefined }
}

function mismatch(file: ByteRanges, why: string): MillraceError {
  return new MillraceError(`reading ${file.name}: ${why}`, { code: 'SCHEMA', detail: { file: file.name } })
}
