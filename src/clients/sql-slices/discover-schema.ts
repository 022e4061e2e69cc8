import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import type { SliceDialect } from './dialect.ts'
import type { SliceOptions } from './options.ts'
import { schemaOf, shapeOf } from './shape-of.ts'
import { wantedSplits } from './split-list.ts'

/** The table's columns, asked for while the pipeline is planned. All tables of a list have to have the same. */
export async function discoverSliceSchema(dialect: SliceDialect, options: SliceOptions): Promise<Schema> {
  await using session = await dialect.connect()
  const splits =
    options.table === undefined ? await wantedSplits(session, dialect, { id: 'the source', ...options }) : []
  const table = options.table ?? splits[0]?.table
  if (table === undefined) {
    const message = 'the list of splits is empty, and the source names no `table` whose columns are meant'
    throw new MillraceError(message, { code: 'CONFIG' })
  }
  return schemaOf(await shapeOf(dialect, session, options, table))
}
