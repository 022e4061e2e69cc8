import { assert } from '../core/assert.ts'
import type { SourceConnector } from '../core/connector.ts'
import type { SplitAssignment } from '../core/source.ts'
import { testLaneContext, testSourceContext } from './lane-context.ts'
import { readSplits } from './read-splits.ts'
import { sliceSource, type SliceDatabase } from './slice-tables.ts'

/** The columns that a pipeline finds, as `name type`. */
export async function describeRows<O>(
  connector: SourceConnector<O>,
  database: SliceDatabase,
  options: Readonly<Record<string, unknown>>,
): Promise<string[]> {
  const checked = connector.options.parse({ ...database.address, ...options })
  const schema = await connector.discoverSchema?.(checked, '/', () => {
    throw new Error('no store is needed')
  })
  return (schema ?? []).map(({ name, type }) => `${name} ${type}`)
}

/** All rows of a bounded read, in order; with `batches` by a new reader after so many batches, as after kills. */
export async function readTable<O>(
  connector: SourceConnector<O>,
  database: SliceDatabase,
  options: Readonly<Record<string, unknown>>,
  batches: number = Number.POSITIVE_INFINITY,
): Promise<string[]> {
  const source = await sliceSource(connector, database, { end: 'latest', ...options })
  const enumerator = source.enumerator(testSourceContext())
  let rest = await enumerator.discover(new Set(), true)
  await enumerator.close()
  const records: string[] = []
  while (rest.length > 0) {
    const reader = source.reader(testLaneContext())
    const read = await readSplits(reader, JSON.parse(JSON.stringify(rest)) as SplitAssignment[], batches)
    await reader.close()
    assert(read.records.length > 0 || read.rest.length === 0, 'every turn reads on')
    records.push(...read.records)
    rest = read.rest
  }
  return records
}
