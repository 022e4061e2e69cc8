import type { ZodType } from 'zod'
import type { Json } from '../core/json.ts'
import { inputSchema, objectOf, variants, type JsonSchema } from './option-schema.ts'

/** One option of a connector, for help and documentation. */
export interface OptionRow {
  readonly name: string
  readonly type: string
  readonly isRequired: boolean
  readonly isSecret: boolean
  readonly default: string
  readonly description: string
  readonly example: string
}

/** The options in the order of their declaration; required ones are not moved up. */
export function optionTable(options: ZodType): OptionRow[] {
  const schema = inputSchema(options)
  const rows = new Map<string, OptionRow>()
  for (const variant of variants(schema)) {
    const required = Array.isArray(variant['required']) ? (variant['required'] as readonly string[]) : []
    for (const [name, property] of Object.entries(objectOf(variant['properties']))) {
      if (!rows.has(name)) rows.set(name, row(name, objectOf(property), required.includes(name)))
    }
  }
  return [...rows.values()]
}

function row(name: string, schema: JsonSchema, isRequired: boolean): OptionRow {
  const isSecret = variants(schema).some((one) => one['secret'] === true)
  return {
    name,
    type: isSecret ? 'secret' : typeText(schema),
    isRequired,
    isSecret,
    default: schema['default'] === undefined ? '' : plainText(schema['default']),
    description: typeof schema['description'] === 'string' ? schema['description'] : '',
    example: exampleOf(schema),
  }
}

function exampleOf(schema: JsonSchema): string {
  for (const one of variants(schema)) {
    const examples = one['examples']
    if (Array.isArray(examples) && examples.length > 0) return plainText(examples[0] as Json)
  }
  return ''
}

function plainText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** `text`, `number`, `json | csv`, `list of text`, `{type, delimiter}`: what to write, not how JSON Schema says it. */
function typeText(schema: JsonSchema): string {
  const alternatives = [...list(schema['anyOf']), ...list(schema['oneOf'])]
  if (alternatives.length > 0) return [...new Set(alternatives.map(typeText))].join(' | ')
  if (typeof schema['unit'] === 'string') return schema['unit']
  if (schema['const'] !== undefined) return plainText(schema['const'])
  if (Array.isArray(schema['enum'])) return (schema['enum'] as readonly Json[]).map(plainText).join(' | ')
  const type = schema['type']
  if (Array.isArray(type)) return (type as readonly string[]).map(typeWord).join(' | ')
  if (type === 'array') return `list of ${typeText(objectOf(schema['items']))}`
  if (type === 'object') {
    const names = Object.keys(objectOf(schema['properties']))
    return names.length === 0 ? 'map' : `{${names.join(', ')}}`
  }
  return typeof type === 'string' ? typeWord(type) : 'any'
}

function typeWord(type: string): string {
  return type === 'string' ? 'text' : type === 'boolean' ? 'true | false' : type === 'integer' ? 'number' : type
}

function list(value: Json | undefined): JsonSchema[] {
  return Array.isArray(value) ? (value as JsonSchema[]) : []
}
