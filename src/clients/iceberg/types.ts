import { MillraceError } from '../../core/errors.ts'
import { asObject, Fields, type LosslessJson, type LosslessObject } from './lossless-json.ts'

const PLAIN = [
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'string',
  'uuid',
  'binary',
] as const

/** A type of format versions 1 and 2. Source: apache/iceberg format/spec.md, "Schemas and Data Types". */
export type IcebergType =
  | { readonly kind: (typeof PLAIN)[number] }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'fixed'; readonly length: number }
  | { readonly kind: 'struct' | 'list' | 'map'; readonly fields: readonly IcebergField[] }

export interface IcebergField {
  /** Stays when the column is renamed; never used again when it is dropped. */
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: IcebergType
}

export interface IcebergSchema {
  readonly schemaId: number
  readonly fields: readonly IcebergField[]
}

export function parseSchema(json: LosslessObject, what: string): IcebergSchema {
  const fields = new Fields(json, what)
  return { schemaId: fields.integerOr('schema-id', 0), fields: parseFields(fields.objects('fields'), what) }
}

function parseFields(fields: readonly LosslessObject[], what: string): readonly IcebergField[] {
  return fields.map((json) => {
    const field = new Fields(json, what)
    const type = parseType(json['type'], what)
    return { id: field.integer('id'), name: field.text('name'), required: json['required'] === true, type }
  })
}

function parseType(json: LosslessJson | undefined, what: string): IcebergType {
  if (typeof json === 'string') return parsePrimitive(json, what)
  const nested = asObject(json)
  const field = nested === undefined ? undefined : new Fields(nested, what)
  switch (field?.text('type')) {
    case 'struct':
      return { kind: 'struct', fields: parseFields(field.objects('fields'), what) }
    case 'list':
      return { kind: 'list', fields: [part(field, 'element', what)] }
    case 'map':
      return { kind: 'map', fields: [part(field, 'key', what), part(field, 'value', what)] }
    default:
      throw unknownType('something else', what)
  }
}

function part(field: Fields, name: 'element' | 'key' | 'value', what: string): IcebergField {
  const type = parseType(field.get(name), what)
  return { id: field.integer(`${name}-id`), name, required: field.get(`${name}-required`) === true, type }
}

function parsePrimitive(text: string, what: string): IcebergType {
  const plain = PLAIN.find((name) => name === text)
  if (plain !== undefined) return { kind: plain }
  const decimal = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(text)
  if (decimal !== null) return { kind: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) }
  const fixed = /^fixed\[\s*(\d+)\s*\]$/.exec(text)
  if (fixed !== null) return { kind: 'fixed', length: Number(fixed[1]) }
  throw unknownType(text, what)
}

/** The name of a type in the words of the specification. */
export function formatType(type: IcebergType): string {
  if (type.kind === 'decimal') return `decimal(${type.precision},${type.scale})`
  return type.kind === 'fixed' ? `fixed[${type.length}]` : type.kind
}

function unknownType(type: string, what: string): MillraceError {
  return new MillraceError(`reading ${what}: the type ${JSON.stringify(type)} is not one of format version 2`, {
    code: 'SCHEMA',
  })
}
