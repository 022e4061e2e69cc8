import { MillraceError, toMillraceError } from '../../core/errors.ts'
import type { Scalar } from './scalar.ts'
import { formatType, type IcebergField, type IcebergType } from './types.ts'
import type { Condition, Literal, WhereText } from './where-text.ts'

/** A value in both of its forms: for comparing with bounds, and as text that casts to the column's type exactly. */
export interface BoundValue {
  readonly scalar: Scalar
  readonly text: string
}

/** A condition over the columns of a table. */
export type Where = Condition<IcebergField, BoundValue>

/**
 * Finds the columns and reads the values in the columns' types.
 *
 * @throws MillraceError `CONFIG` when a column is missing or a value cannot be one of its type.
 */
export function bindWhere(where: WhereText, fields: readonly IcebergField[]): Where {
  switch (where.kind) {
    case 'and':
    case 'or':
      return { kind: where.kind, parts: where.parts.map((part) => bindWhere(part, fields)) }
    case 'null':
      return { ...where, column: columnOf(where.column, fields) }
    case 'in': {
      const column = columnOf(where.column, fields)
      return { kind: 'in', column, values: where.values.map((value) => bindValue(column, value)) }
    }
    case 'compare': {
      const column = columnOf(where.column, fields)
      return { ...where, column, value: bindValue(column, where.value) }
    }
  }
}

/**
 * A weaker condition, for leaving out files: without the comparisons whose column is missing or whose value is not of its
 * type, or which are of floating-point numbers. `undefined` when nothing stays.
 */
export function bindWhatBinds(where: WhereText, fields: readonly IcebergField[]): Where | undefined {
  if (where.kind === 'and' || where.kind === 'or') {
    const parts = where.parts.map((part) => bindWhatBinds(part, fields))
    const bound = parts.filter((part) => part !== undefined)
    const isEnough = where.kind === 'and' ? bound.length > 0 : bound.length === parts.length
    return isEnough ? { kind: where.kind, parts: bound } : undefined
  }
  try {
    const bound = bindWhere(where, fields)
    return columnsOfWhere(bound).some(({ type }) => type.kind === 'float' || type.kind === 'double') ? undefined : bound
  } catch (thrown) {
    if (toMillraceError(thrown).code === 'CONFIG') return undefined
    throw thrown
  }
}

/** The columns that a condition looks at. */
export function columnsOfWhere(where: Where): readonly IcebergField[] {
  const found = 'parts' in where ? where.parts.flatMap(columnsOfWhere) : [where.column]
  return [...new Map(found.map((field) => [field.id, field])).values()]
}

function columnOf(name: string, fields: readonly IcebergField[]): IcebergField {
  const exact = fields.find((field) => field.name === name)
  const found = exact ?? fields.find((field) => field.name.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return found
  const there = fields.map((field) => field.name).join(', ')
  throw new MillraceError(`reading \`where\`: the table has no column ${JSON.stringify(name)}; there are ${there}`, {
    code: 'CONFIG',
  })
}

function bindValue(column: IcebergField, literal: Literal): BoundValue {
  const scalar = scalarOf(column.type, literal)
  if (scalar !== undefined) return { scalar, text: literal.text }
  throw new MillraceError(
    `reading \`where\`: a value for ${column.name} is not ${wanted(column.type)}, as its type ${formatType(column.type)} needs`,
    { code: 'CONFIG' },
  )
}

function wanted(type: IcebergType): string {
  switch (type.kind) {
    case 'date':
      return "'2024-05-06'"
    case 'time':
      return "'07:08:09'"
    case 'timestamp':
      return "'2024-05-06T07:08:09' (without an offset)"
    case 'timestamptz':
      return "'2024-05-06T07:08:09Z' (with an offset)"
    case 'string':
    case 'uuid':
      return "a text in '…'"
    case 'boolean':
      return 'true or false'
    case 'fixed':
    case 'binary':
    case 'struct':
    case 'list':
    case 'map':
      return 'comparable here'
    default:
      return 'a number that fits'
  }
}

function scalarOf(type: IcebergType, { kind, text }: Literal): Scalar | undefined {
  switch (type.kind) {
    case 'int':
    case 'long':
      return kind === 'number' && /^-?\d{1,18}$/.test(text) ? BigInt(text) : undefined
    case 'float':
      return kind === 'number' ? Math.fround(Number(text)) : undefined
    case 'double':
      return kind === 'number' ? Number(text) : undefined
    case 'decimal':
      return kind === 'number' ? decimalScalar(text, type.scale) : undefined
    case 'boolean':
      return kind === 'boolean' ? text === 'true' : undefined
    case 'string':
      return kind === 'text' ? Buffer.from(text) : undefined
    case 'uuid':
      return kind === 'text' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
        ? Buffer.from(text.replaceAll('-', ''), 'hex')
        : undefined
    case 'date':
      return kind === 'text' && /^\d{4}-\d\d-\d\d$/.test(text) ? daysOf(text) : undefined
    case 'time':
      return kind === 'text' ? clockMicros(text) : undefined
    case 'timestamp':
    case 'timestamptz':
      return kind === 'text' ? momentMicros(text, type.kind === 'timestamptz') : undefined
    default:
      return undefined
  }
}

function decimalScalar(text: string, scale: number): bigint | undefined {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d*)\.?(\d*)$/.exec(text) ?? []
  if (whole + fraction === '' || fraction.length > scale) return undefined
  return BigInt(`${sign}${whole}${fraction.padEnd(scale, '0')}`)
}

function daysOf(text: string): bigint | undefined {
  const ms = Date.parse(`${text}T00:00:00Z`)
  // The parser rolls 30 February over to March.
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(text) ? undefined : BigInt(ms / 86_400_000)
}

function clockMicros(text: string): bigint | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?$/.exec(text)
  if (match === null) return undefined
  const [, hours, minutes, seconds, fraction = ''] = match
  const whole = (BigInt(hours ?? 0) * 60n + BigInt(minutes ?? 0)) * 60n + BigInt(seconds ?? 0)
  return whole * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
}

function momentMicros(text: string, hasZone: boolean): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ]([\d:.]+))?(Z|[+-]\d\d:\d\d)?$/.exec(text)
  if (match === null || (match[3] !== undefined) !== hasZone) return undefined
  const days = daysOf(match[1] ?? '')
  const clock = clockMicros(match[2] ?? '00:00:00')
  if (days === undefined || clock === undefined) return undefined
  return days * 86_400_000_000n + clock - offsetMicros(match[3] ?? 'Z')
}

function offsetMicros(zone: string): bigint {
  if (zone === 'Z') return 0n
  const minutes = BigInt(zone.slice(1, 3)) * 60n + BigInt(zone.slice(4, 6))
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000_000n
}
