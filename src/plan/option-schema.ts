import { z, type ZodType } from 'zod'
import type { Json, JsonObject } from '../core/json.ts'
import type { Path } from './parsed-file.ts'

/*
 * The option tables of connectors as JSON Schema, which is easier to walk than zod: known keys, places of secrets,
 * the table that `millrace connectors <name>` prints, and the schema for editors all come from here.
 */

export type JsonSchema = JsonObject

const made = new WeakMap<ZodType, JsonSchema>()

/** What users may write for these options (before defaults and conversions). */
export function inputSchema(options: ZodType): JsonSchema {
  let schema = made.get(options)
  if (schema === undefined) {
    const { $schema: _, ...rest } = z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' })
    schema = JSON.parse(JSON.stringify(rest)) as JsonSchema
    made.set(options, schema)
  }
  return schema
}

/** The names that an object may have at `path` inside the options. */
export function knownKeys(options: ZodType, path: Path = []): string[] {
  const schemas = path.reduce<JsonSchema[]>(
    (at, part) => at.flatMap((one) => childSchemas(one, part)),
    [inputSchema(options)],
  )
  return [...new Set(schemas.flatMap(variants).flatMap((one) => Object.keys(objectOf(one['properties']))))]
}

/** True for the values at these paths in any output: declared secrets, and free properties named like one. */
export function isSecretSchema(schemas: readonly JsonSchema[], key: string | number): boolean {
  return schemas.some((schema) => schema['secret'] === true) || (typeof key === 'string' && SECRET_NAME.test(key))
}

const SECRET_NAME = /passw(or)?d|secret|token|credential|jaas|private.?key|access.?key/i

/** Paths of all values that the options declare as secrets, or only of those whose references the connector follows. */
export function secretPaths(options: ZodType, value: Json, mark: 'secret' | 'reread' = 'secret'): Path[] {
  const found: Path[] = []
  walk([inputSchema(options)], value, [], (path, schemas) => {
    if (path.length > 0 && schemas.some((schema) => schema[mark] === true)) found.push(path)
  })
  return found
}

/** The options for printing: secrets become `***`, whether they are declared or only named like one. */
export function maskSecrets(options: ZodType, value: JsonObject): JsonObject {
  return mask([inputSchema(options)], value, '') as JsonObject
}

function mask(schemas: readonly JsonSchema[], value: Json, key: string | number): Json {
  if (isSecretSchema(schemas, key)) return typeof value === 'object' && value !== null ? maskReference(value) : '***'
  if (Array.isArray(value)) return value.map((item: Json, index) => mask(children(schemas, index), item, index))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, item]) => [name, mask(children(schemas, name), item, name)])
  return Object.fromEntries(entries) as JsonObject
}

/** Where a secret comes from may be shown, except commands, which may hold one. */
function maskReference(value: JsonObject | readonly Json[]): Json {
  return 'file' in value && typeof value.file === 'string' ? { file: value.file } : '***'
}

function walk(
  schemas: readonly JsonSchema[],
  value: Json,
  path: Path,
  visit: (path: Path, schemas: readonly JsonSchema[]) => void,
): void {
  visit(path, schemas)
  if (typeof value !== 'object' || value === null) return
  const entries: [string | number, Json][] = Array.isArray(value)
    ? value.map((item: Json, index) => [index, item])
    : Object.entries(value)
  for (const [key, item] of entries) walk(children(schemas, key), item, [...path, key], visit)
}

function children(schemas: readonly JsonSchema[], key: string | number): JsonSchema[] {
  return schemas.flatMap((schema) => childSchemas(schema, key))
}

function childSchemas(schema: JsonSchema, key: string | number): JsonSchema[] {
  return variants(schema).flatMap((one) => {
    const child = typeof key === 'number' ? one['items'] : objectOf(one['properties'])[key]
    const found = child ?? (typeof key === 'string' ? one['additionalProperties'] : undefined)
    return typeof found === 'object' && found !== null ? variants(found as JsonSchema) : []
  })
}

/** The schema itself and all alternatives inside it. */
export function variants(schema: JsonSchema): JsonSchema[] {
  const inner = ['anyOf', 'oneOf', 'allOf'].flatMap((word) => {
    const list = schema[word]
    return Array.isArray(list) ? (list as JsonSchema[]) : []
  })
  return [schema, ...inner.flatMap(variants)]
}

export function objectOf(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}
