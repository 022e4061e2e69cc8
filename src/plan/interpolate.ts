import type { Finding } from '../core/checkpoint-types.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { configError, type Path } from './parsed-file.ts'

export interface Interpolated {
  readonly value: JsonObject
  readonly findings: readonly Finding[]
  /** Paths (as JSON) whose text came from the environment: they may be read as numbers or booleans. */
  readonly paths: ReadonlySet<string>
}

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Puts environment values into texts: `${NAME}`, `${NAME:-default}` (also used when the variable is empty), `$${` for a
 * literal `${`. Runs once over the parsed value, so what a variable holds is always one text: it cannot add keys, list
 * items or further placeholders. Keys are left alone.
 */
export function interpolate(value: JsonObject, environment: Environment): Interpolated {
  const findings: Finding[] = []
  const paths = new Set<string>()

  function text(template: string, path: Path): string {
    return template.replace(/\$\$\{|\$\{([^}]*)\}?/g, (match, inner: string | undefined) => {
      if (match === '$${') return '${'
      const parts = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([^]*))?$/.exec(inner ?? '')
      const name = parts?.[1]
      if (name === undefined || !match.endsWith('}')) {
        findings.push(configError('expected ${NAME} or ${NAME:-default}', path, 'write $${ for a literal ${'))
        return ''
      }
      paths.add(JSON.stringify(path))
      const found = Object.hasOwn(environment, name) ? environment[name] : undefined
      const fallback = parts?.[2]
      if (fallback !== undefined) return found === undefined || found === '' ? fallback : found
      if (found === undefined) {
        const hint = `export ${name}, or give a default: \${${name}:-default}`
        findings.push(configError(`the environment variable ${name} is not set`, path, hint))
      }
      return found ?? ''
    })
  }

  function walk(at: Json, path: Path): Json {
    if (typeof at === 'string') return at.includes('${') ? text(at, path) : at
    if (Array.isArray(at)) return at.map((item: Json, index) => walk(item, [...path, index]))
    return typeof at === 'object' && at !== null ? object(at as JsonObject, path) : at
  }

  function object(at: JsonObject, path: Path): JsonObject {
    const result: Record<string, Json> = Object.create(null)
    for (const [key, item] of Object.entries(at)) result[key] = walk(item, [...path, key])
    return result
  }

  return { value: object(value, []), findings, paths }
}
