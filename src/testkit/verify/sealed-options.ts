import { loadConnector } from '../../connectors/registry.ts'
import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { hash8 } from '../../core/name-token.ts'
import { valueAt, withValue } from '../../plan/issues.ts'
import { secretPaths } from '../../plan/option-schema.ts'
import type { SinkStep } from '../../plan/plan.ts'
import { resolveSecrets } from '../../plan/resolve-secrets.ts'

/** The options of a sink for a pipeline file elsewhere: its secrets are in variables, and in no file. */
export interface SealedOptions {
  readonly options: JsonObject
  readonly environment: Readonly<Record<string, string>>
  /** As the connector gets them. */
  readonly parsed: unknown
}

export async function sealOptions({ id, connector, options }: SinkStep, baseDirectory: string): Promise<SealedOptions> {
  const schema = (await loadConnector(connector))?.sink?.options
  assert(schema !== undefined, 'a planned sink has a connector')
  const { options: resolved, findings } = await resolveSecrets(schema, options, ['sinks', id], baseDirectory)
  const [problem] = findings
  if (problem !== undefined) throw new MillraceError(problem.message, { code: 'CONFIG' })
  const environment: Record<string, string> = {}
  let sealed: Json = resolved
  for (const [at, path] of secretPaths(schema, resolved).entries()) {
    const text = valueAt(resolved, path)
    if (typeof text !== 'string') continue
    const variable = `MILLRACE_VERIFY_${hash8(id).toUpperCase()}_${at}`
    environment[variable] = text
    sealed = withValue(sealed, path, `\${${variable}}`)
  }
  return { options: sealed as JsonObject, environment, parsed: schema.parse(resolved) }
}

/** A sink that writes several tables has no single one that could be another. */
export function severalTables({ id, connector }: SinkStep): MillraceError {
  return new MillraceError(`the sink "${id}" (${connector}) writes several tables, which cannot be played`, {
    code: 'CONFIG',
  })
}
