import type { Finding } from '../core/checkpoint-types.ts'
import { toMillraceError } from '../core/errors.ts'
import type { OpenStore } from '../core/file-store.ts'
import type { Draft, DraftSource } from './check-definition.ts'
import { knownKeys } from './option-schema.ts'

/** Asks sources for their columns where the pipeline names none and the source can tell. */
export async function discoverSchemas(
  draft: Draft,
  { baseDirectory, openStore }: { readonly baseDirectory: string; readonly openStore: OpenStore },
  findings: Finding[],
): Promise<Draft> {
  const sources = await Promise.all(
    draft.sources.map(async (source): Promise<DraftSource> => {
      if (source.schema !== undefined) return source
      try {
        const schema = await source.connector.discoverSchema?.(source.checked, baseDirectory, openStore)
        return schema === undefined ? source : { ...source, schema }
      } catch (thrown) {
        const { code, message, remedy } = toMillraceError(thrown)
        // Tables with catalogs of their own take no columns from the pipeline.
        const mayBeNamed = knownKeys(source.connector.options).includes('schema')
        const hint = mayBeNamed ? 'name the columns and their types: schema: {id: bigint, …}' : remedy
        findings.push({ severity: 'error', code, message, hint, path: ['sources', source.id] })
        return source
      }
    }),
  )
  return { ...draft, sources }
}
