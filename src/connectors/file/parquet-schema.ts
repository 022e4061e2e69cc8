import { MillraceError, wrapError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { formatColumnType, openLaneDatabase, parseColumnType } from '../../dataplane/index.ts'
import { columnTypes, readFooter } from '../../dataplane/parquet-source/index.ts'
import type { FilePlace } from './file-place.ts'

const MEMORY_BYTES = 64 * 1024 * 1024

/** The columns of the first Parquet file that there is; the others are held to them when they are read. */
export async function parquetSchema(place: FilePlace): Promise<Schema | undefined> {
  const [first] = await place.find()
  if (first === undefined) return undefined
  await using database = await openLaneDatabase({ memoryLimitBytes: MEMORY_BYTES })
  try {
    const { footer, file } = await readFooter(await place.ranges(await place.describe(first)))
    const numbers = footer.columns.map((_, number) => number)
    const types = await columnTypes(database, file, footer, numbers)
    return footer.columns.map(({ name }, number) => ({
      name,
      type: columnType(types[number]?.text ?? ''),
      nullable: true,
    }))
  } catch (error) {
    throw wrapError(error, `reading the columns of ${first.path}`)
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
