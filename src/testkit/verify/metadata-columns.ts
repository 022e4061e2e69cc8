import { loadConnector } from '../../connectors/registry.ts'
import { assert } from '../../core/assert.ts'
import type { Schema } from '../../core/schema.ts'
import type { SourceStep } from '../../plan/plan.ts'

/** What a source knows of each record beside its columns, as far as the pipeline reads it, with types. */
export async function metadataColumns({ connector, options, schema, metadata }: SourceStep): Promise<Schema> {
  if (metadata.length === 0) return []
  const source = (await loadConnector(connector))?.source
  assert(source !== undefined, 'a planned source has a connector')
  const offered = source.describe(source.options.parse(options), { schema }).metadata
  return offered.filter(({ name }) => metadata.includes(name))
}
