import type { Finding } from '../core/checkpoint-types.ts'
import { toMillraceError } from '../core/errors.ts'
import type { OpenStore } from '../core/file-store.ts'
import type { Draft, DraftSource, DraftTransform } from './check-definition.ts'
import { knownKeys } from './option-schema.ts'
import type { Path } from './parsed-file.ts'

/** Asks sources for their columns where the pipeline names none and the source can tell. */
export async function discoverSchemas(
  draft: Draft,
  { baseDirectory, openStore }: { readonly baseDirectory: string; readonly openStore: OpenStore },
  findings: Finding[],
): Promise<Draft> {
  const withSchema = async (source: DraftSource, path: Path): Promise<DraftSource> => {
    if (source.schema !== undefined) return source
    try {
      const schema = await source.connector.discoverSchema?.(source.checked, baseDirectory, openStore)
      return schema === undefined ? source : { ...source, schema }
    } catch (thrown) {
      const { code, message, remedy } = toMillraceError(thrown)
      // Tables with catalogs of their own take no columns from the pipeline.
      const mayBeNamed = knownKeys(source.connector.options).includes('schema')
      const hint = mayBeNamed ? 'name the columns and their types: schema: {id: bigint, …}' : remedy
      findings.push({ severity: 'error', code, message, hint, path })
      return source
    }
  }
  const sources = await Promise.all(draft.sources.map((source) => withSchema(source, ['sources', source.id])))
  const transforms = await Promise.all(
    draft.transforms.map(async (transform): Promise<DraftTransform> => {
      if (transform.lookedUp === undefined) return transform
      const path = ['transforms', transform.id, 'lookup', 'table']
      return { ...transform, lookedUp: await withSchema(transform.lookedUp, path) }
    }),
  )
  return { ...draft, sources, transforms }
}
