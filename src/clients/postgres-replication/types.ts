import type { TableColumn } from '../../core/changes.ts'

/** How the text of a value becomes JSON. */
export const FORM = {
  /** Digits, written as they are. */
  number: 0,
  /** A floating-point number, which may be NaN or infinite. */
  floating: 1,
  boolean: 2,
  /** Any text. */
  text: 3,
  /** Text that needs no escapes. */
  plain: 4,
  date: 5,
  time: 6,
  timestamp: 7,
  /** In UTC, since the session's time zone is UTC; written without its offset. */
  timestamptz: 8,
  bytes: 9,
  json: 10,
  array: 11,
  /** In quotes, since readers of JSON like to take numbers for doubles; may be NaN or infinite. */
  decimal: 12,
  /** JSON of the element, as text. */
  document: 13,
} as const

export type Form = (typeof FORM)[keyof typeof FORM]

export interface ValueForm {
  readonly form: Form
  /** Of an array: its elements, and what separates them; of a document: what it holds. */
  readonly element?: ValueForm
  readonly separator?: number
}

/** A type as the catalog knows it; domains are followed to what they are made of. */
export interface PgType {
  readonly oid: number
  readonly name: string
  /** Of an array: its elements. */
  readonly element?: PgType
  readonly separator?: string
  /** Of a domain: the length or precision that it gives to what it is made of. */
  readonly modifier?: number
}

const COMMA = 0x2c

const BUILT_IN: readonly (readonly [number, string])[] = [
  [16, 'bool'],
  [17, 'bytea'],
  [18, 'char'],
  [19, 'name'],
  [20, 'int8'],
  [21, 'int2'],
  [23, 'int4'],
  [25, 'text'],
  [26, 'oid'],
  [114, 'json'],
  [700, 'float4'],
  [701, 'float8'],
  [790, 'money'],
  [869, 'inet'],
  [1042, 'bpchar'],
  [1043, 'varchar'],
  [1082, 'date'],
  [1083, 'time'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [1186, 'interval'],
  [1266, 'timetz'],
  [1700, 'numeric'],
  [2950, 'uuid'],
  [3802, 'jsonb'],
]

const BUILT_IN_ARRAYS: readonly (readonly [number, number])[] = [
  [1000, 16],
  [1001, 17],
  [1005, 21],
  [1007, 23],
  [1009, 25],
  [1014, 1042],
  [1015, 1043],
  [1016, 20],
  [1021, 700],
  [1022, 701],
  [1115, 1114],
  [1182, 1082],
  [1183, 1083],
  [1185, 1184],
  [1231, 1700],
  [199, 114],
  [2951, 2950],
  [3807, 3802],
]

/** Types whose ids are the same in every database (src/include/catalog/pg_type.dat). */
export function builtInTypes(): Map<number, PgType> {
  const types = new Map<number, PgType>(BUILT_IN.map(([oid, name]) => [oid, { oid, name }]))
  for (const [oid, elementOid] of BUILT_IN_ARRAYS) {
    const element = types.get(elementOid)
    if (element !== undefined) types.set(oid, { oid, name: `${element.name}[]`, element })
  }
  return types
}

/** The column that holds values of a type, in DuckDB's words. */
export function columnOf(name: string, type: PgType, modifier: number, nullable: boolean): TableColumn {
  const limit = type.modifier ?? modifier
  const length = isText(type.name) && limit > 4 ? { length: limit - 4 } : {}
  return { name, type: sqlType(type, limit), nullable, ...length, native: type.name }
}

function isText(name: string): boolean {
  return name === 'varchar' || name === 'bpchar'
}

function sqlType(type: PgType, modifier: number): string {
  if (type.element !== undefined) return 'json'
  switch (type.name) {
    case 'bool':
      return 'boolean'
    case 'int2':
      return 'smallint'
    case 'int4':
      return 'integer'
    case 'int8':
    case 'oid':
      return 'bigint'
    case 'float4':
      return 'float'
    case 'float8':
      return 'double'
    case 'numeric':
      return decimalType(modifier) ?? 'varchar'
    case 'date':
    case 'uuid':
    case 'time':
      return type.name
    case 'timestamp':
    case 'timestamptz':
      return modifier >= 0 && modifier < 6 ? `timestamp(${modifier})` : 'timestamp'
    case 'bytea':
      return 'blob'
    case 'json':
    case 'jsonb':
      return 'json'
    default:
      return 'varchar'
  }
}

/** `numeric(p,s)`, when it has limits and DuckDB can hold it. A scale may be negative, or more than the digits. */
function decimalType(modifier: number): string | undefined {
  if (modifier < 4) return undefined
  const precision = ((modifier - 4) >> 16) & 0xffff
  // 11 bits with a sign (src/backend/utils/adt/numeric.c, numeric_typmod_scale).
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024
  const digits = scale < 0 ? precision - scale : Math.max(precision, scale)
  return digits <= 38 ? `decimal(${digits},${Math.max(0, scale)})` : undefined
}

/** How the values of a type are written. */
export function formOf(type: PgType, modifier: number): ValueForm {
  const { element } = type
  if (element !== undefined) {
    const separator = type.separator?.charCodeAt(0) ?? COMMA
    return { form: FORM.array, element: formOf(element, modifier), separator }
  }
  switch (type.name) {
    case 'bool':
      return { form: FORM.boolean }
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
      return { form: FORM.number }
    case 'float4':
    case 'float8':
      return { form: FORM.floating }
    case 'numeric':
      return { form: decimalType(type.modifier ?? modifier) === undefined ? FORM.plain : FORM.decimal }
    case 'uuid':
      return { form: FORM.plain }
    case 'date':
      return { form: FORM.date }
    case 'time':
      return { form: FORM.time }
    case 'timestamp':
      return { form: FORM.timestamp }
    case 'timestamptz':
      return { form: FORM.timestamptz }
    case 'bytea':
      return { form: FORM.bytes }
    case 'json':
    case 'jsonb':
      return { form: FORM.json }
    default:
      return { form: FORM.text }
  }
}
