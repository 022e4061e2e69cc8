import type { Finding } from '../core/checkpoint-types.ts'
import type { SourceDescription } from '../core/connector.ts'
import type { DeadLetterRoute } from '../core/dead-letters.ts'
import type { JsonObject } from '../core/json.ts'
import type { Draft } from './check-definition.ts'
import { configError } from './parsed-file.ts'
import { suggestion } from './suggest.ts'

const SECTIONS = ['sources', 'transforms', 'sinks'] as const

/** Sinks that some part sends dead letters to. Read before the parts are checked: such a sink has no `from`. */
export function deadLetterTargets(pipeline: JsonObject): ReadonlySet<string> {
  const targets = new Set<string>()
  for (const section of SECTIONS) {
    for (const component of Object.values(objectOf(pipeline[section]))) {
      const { to } = objectOf(objectOf(component)['deadLetter'])
      if (typeof to === 'string') targets.add(to)
    }
  }
  return targets
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {}
}

/** The route of every part that has one. */
export function deadLetterRoutes({ sources, transforms, sinks }: Draft): Map<string, DeadLetterRoute> {
  const parts = [...sources, ...transforms, ...sinks]
  return new Map(parts.flatMap(({ id, deadLetter }) => (deadLetter === undefined ? [] : [[id, deadLetter] as const])))
}

/** Do the dead letters arrive somewhere, and can there be any? */
export function deadLetterFindings(draft: Draft, described: ReadonlyMap<string, SourceDescription>): Finding[] {
  const sinks = draft.sinks.map(({ id }) => id)
  const targets = new Set([...deadLetterRoutes(draft).values()].map(({ to }) => to))
  const ofTargets = SECTIONS.flatMap((section) =>
    draft[section].flatMap(({ id, deadLetter }): Finding[] => {
      if (deadLetter === undefined) return []
      const at = [section, id, 'deadLetter']
      if (targets.has(id)) {
        return [configError(`${JSON.stringify(id)} takes dead letters and can have none of its own`, at)]
      }
      if (sinks.includes(deadLetter.to) || draft.broken.includes(deadLetter.to)) return []
      const hint = suggestion(deadLetter.to, sinks) ?? 'name the id of a sink without `from`'
      return [configError(`there is no sink ${JSON.stringify(deadLetter.to)}`, [...at, 'to'], hint)]
    }),
  )
  return [...ofTargets, ...draft.sources.flatMap((source) => sourceFindings(source, described))]
}

/** A source has dead letters where its records are decoded: by its reader, or in front of the first step. */
function sourceFindings(
  { id, schema, deadLetter }: Draft['sources'][number],
  described: ReadonlyMap<string, SourceDescription>,
): Finding[] {
  const description = described.get(id)
  if (deadLetter === undefined || description === undefined) return []
  const at = ['sources', id, 'deadLetter']
  if (description.setsAside === true) return []
  if (description.tables === true) {
    const message = `${JSON.stringify(id)} gives rows of several tables, of which none can be put aside`
    return [configError(message, at, 'read one table with `schema`, or leave `deadLetter` out')]
  }
  const isDecoded = description.gives[0] === 'bytes' && ['json', 'csv'].includes(description.format)
  if (!isDecoded) {
    return [
      configError(`${JSON.stringify(id)} gives rows that need no decoding`, at, 'give `deadLetter` to who reads them'),
    ]
  }
  if (schema !== undefined) return []
  const hint = 'name its columns: schema: {id: bigint, …}; or give `deadLetter` to the sink'
  return [configError(`without \`schema\` nothing of ${JSON.stringify(id)} is decoded, so nothing can fail`, at, hint)]
}
