import type { Finding } from '../core/checkpoint-types.ts'
import type { SinkDescription, SourceDescription } from '../core/connector.ts'
import type { Draft } from './check-definition.ts'
import { configError } from './parsed-file.ts'

/** Rows of several tables have no columns in common: they go straight from their source to sinks that part them. */
export function severalTablesFindings(
  draft: Draft,
  sources: ReadonlyMap<string, SourceDescription>,
  sinks: ReadonlyMap<string, SinkDescription>,
): Finding[] {
  const isOfSeveral = (port: string): boolean => sources.get(port)?.tables === true
  const ofTransforms = draft.transforms.flatMap(({ id, from }) =>
    from
      .filter(isOfSeveral)
      .map((source) =>
        configError(
          `${JSON.stringify(id)} reads ${JSON.stringify(source)}, whose rows belong to several tables`,
          ['transforms', id, 'from'],
          'let a sink with `routes` read the source, or read one table: table: database.name',
        ),
      ),
  )
  const ofSinks = draft.sinks.flatMap(({ id, from }): Finding[] => {
    const description = sinks.get(id)
    if (description === undefined) return []
    if (description.tables === true) {
      return from
        .filter((port) => !isOfSeveral(port))
        .map((port) =>
          configError(
            `${JSON.stringify(id)} has \`routes\`, and ${JSON.stringify(port)} gives rows of one table`,
            ['sinks', id, 'from'],
            'name the target instead: database and table; or read several tables: tables: [pattern]',
          ),
        )
    }
    return from
      .filter(isOfSeveral)
      .map((port) =>
        configError(
          `${JSON.stringify(id)} writes one table, and ${JSON.stringify(port)} gives rows of several`,
          ['sinks', id, 'from'],
          "say where each goes: routes: [{match: '.*', database: …, table: '{table}'}]; or read one table",
        ),
      )
  })
  return [...ofTransforms, ...ofSinks]
}
