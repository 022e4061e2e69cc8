import type { DuckDBConnection } from '@duckdb/node-api'
import { MillraceError } from '../core/errors.ts'
import { parseColumnType, type Column } from './types.ts'

/**
 * The columns of a SELECT, as DuckDB plans it. Call it inside of `LaneDatabase.exclusive`.
 *
 * @throws MillraceError `CONFIG` when two columns share a name or a type cannot travel.
 */
export async function describeSelect(connection: DuckDBConnection, select: string): Promise<Column[]> {
  const rows = (await connection.runAndReadAll(`DESCRIBE ${select}`)).getRows()
  const seen = new Set<string>()
  return rows.map(([name, type]) => {
    const column = String(name)
    if (seen.has(column.toLowerCase())) {
      throw new MillraceError(
        `planning SQL: two output columns are called ${JSON.stringify(column)}; name one of them with AS`,
        { code: 'CONFIG' },
      )
    }
    seen.add(column.toLowerCase())
    return { name: column, type: parseOutputType(column, String(type)), nullable: true }
  })
}

function parseOutputType(column: string, type: string): Column['type'] {
  try {
    // An untyped NULL is described as "NULL" and becomes an integer in DuckDB's own tables.
    return type === '"NULL"' || type === 'NULL' ? { kind: 'integer', name: 'integer' } : parseColumnType(type)
  } catch (cause) {
    throw new MillraceError(
      `planning SQL: the output column ${JSON.stringify(column)} has type ${type}, which cannot travel; ` +
        `cast it to one of the column types, or to JSON text with to_json(x)`,
      { code: 'CONFIG', cause },
    )
  }
}
