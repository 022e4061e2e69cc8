import type { OpenStore } from '../../core/file-store.ts'
import type { Schema } from '../../core/schema.ts'
import { setTimeout as pause } from 'node:timers/promises'
import { parseWhere } from '../../clients/iceberg/where-text.ts'
import { pointAtTable } from './open-table.ts'
import type { IcebergSourceOptions } from './options.ts'
import { readFields, schemaOf, whereOf } from './read-schema.ts'

/** The table's columns, asked for while the pipeline is planned. */
export async function discoverSchema(
  options: IcebergSourceOptions,
  { baseDirectory, openStore }: { readonly baseDirectory: string; readonly openStore: OpenStore },
): Promise<Schema> {
  const clock = { sleep: async (ms: number) => await pause(ms) }
  const { metadata } = await pointAtTable(options, { baseDirectory, openStore, clock }).look()
  // Columns that `where` names wrongly are told here, with everything else that is wrong in the file.
  if (isReadable(options.where)) whereOf(options, metadata)
  return schemaOf(readFields(options, metadata))
}

/** What cannot even be read is told by the description of the source. */
function isReadable(where: string | undefined): boolean {
  try {
    if (where !== undefined) parseWhere(where)
    return true
  } catch {
    return false
  }
}
