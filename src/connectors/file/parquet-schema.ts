import { MillraceError, wrapError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { formatColumnType, openLaneDatabase, parseColumnType, quoteText } from '../../dataplane/index.ts'
import { findFiles } from './find-files.ts'

const MEMORY_BYTES = 64 * 1024 * 1024

/** The columns of the first Parquet file that the path leads to; the others are held to them when they are read. */
export async function parquetSchema(path: string, baseDirectory: string): Promise<Schema | undefined> {
  const [first] = (await findFiles(path, baseDirectory)).sort()
  if (first === undefined) return undefined
  await using database = await openLaneDatabase({ memoryLimitBytes: MEMORY_BYTES, readablePaths: [first] })
  try {
    const described = await database.run(`DESCRIBE SELECT * FROM read_parquet(${quoteText(first)})`)
    return described.map(([name, type]) => ({ name: String(name), type: columnType(String(type)), nullable: true }))
  } catch (error) {
    throw wrapError(error, `reading the columns of ${first}`)
  }
}

/** DuckDB's name of a type as the pipeline file writes it. Nested types have none. */
function columnType(name: string): string {
  const short = name.replace(/^TIMESTAMP WITH TIME ZONE$/, 'TIMESTAMPTZ')
  try {
    return formatColumnType(parseColumnType(short.toLowerCase()))
  } catch (cause) {
    throw new MillraceError(`a column has the type ${name}, which is not supported`, { code: 'SCHEMA', cause })
  }
}
