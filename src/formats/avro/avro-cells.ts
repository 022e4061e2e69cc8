import type { Column } from '../../dataplane/index.ts'
import type { Cells } from '../binary-rows/cells.ts'
import { poison, type WriteCell } from '../binary-rows/row-format.ts'
import type { AvroObject, AvroType } from './avro-schema.ts'

/** How a column's values are written as this type; `undefined` where they do not fit. */
export function cellWriter(type: AvroType, column: Column): WriteCell | undefined {
  const object = typeof type === 'object' && !Array.isArray(type) ? (type as AvroObject) : undefined
  const base = object === undefined ? type : object.type
  const logical = object?.logicalType
  switch (base) {
    case 'int':
    case 'long':
      return numberWriter(base, logical, column)
    case 'boolean':
      return column.type.kind === 'boolean' ? (cells, out) => out.byte(cells.isTrue ? 1 : 0) : undefined
    case 'float':
      return column.type.kind === 'float' ? (cells, out) => out.float(cells.real) : undefined
    case 'double':
      return ['float', 'double'].includes(column.type.kind) ? (cells, out) => out.double(cells.real) : undefined
    case 'string':
      return TEXTS.has(column.type.kind) ? writeText : undefined
    case 'enum':
      return column.type.kind === 'varchar' ? enumWriter(object?.symbols ?? [], column.name) : undefined
    case 'bytes':
    case 'fixed':
      return logical === 'decimal' ? decimalWriter(object as AvroObject, column) : bytesWriter(object, column)
    default:
      return undefined
  }
}

const TEXTS = new Set(['varchar', 'json', 'uuid'])

const writeText: WriteCell = (cells, out) => {
  out.zigzag(cells.to - cells.from)
  out.copy(cells.buffer, cells.from, cells.to)
}

/** How many of a column's units are one of the type's. */
const UNITS: Readonly<Record<string, { readonly kinds: readonly string[]; readonly micros: number }>> = {
  'time-millis': { kinds: ['time'], micros: 1000 },
  'time-micros': { kinds: ['time'], micros: 1 },
  'timestamp-millis': { kinds: ['timestamptz', 'timestamp'], micros: 1000 },
  'timestamp-micros': { kinds: ['timestamptz', 'timestamp'], micros: 1 },
  'local-timestamp-millis': { kinds: ['timestamp'], micros: 1000 },
  'local-timestamp-micros': { kinds: ['timestamp'], micros: 1 },
}

function numberWriter(
  base: 'int' | 'long',
  logical: string | undefined,
  { name, type }: Column,
): WriteCell | undefined {
  if (logical === 'date') return type.kind === 'date' ? (cells, out) => out.zigzag(cells.whole) : undefined
  const unit = UNITS[logical ?? '']
  if (unit !== undefined) {
    if (!unit.kinds.includes(type.kind) || (type.kind === 'timestamp' && type.precision > 6)) return undefined
    return (cells, out) => out.zigzag(unit.micros === 1 ? cells.whole : inMillis(cells, name))
  }
  if (type.kind !== 'integer') return undefined
  const bits = base === 'int' ? 31n : 63n
  return (cells, out) => {
    const value = cells.whole
    if (!fits(value, bits)) throw poison(name, `a number that is no Avro ${base}`)
    out.zigzag(value)
  }
}

function fits(value: number | bigint, bits: bigint): boolean {
  return value >= -(1n << bits) && value < 1n << bits
}

function inMillis(cells: Cells, name: string): bigint {
  const micros = BigInt(cells.whole)
  if (micros % 1000n !== 0n) throw poison(name, 'a time with more digits than milliseconds')
  return micros / 1000n
}

function enumWriter(symbols: readonly string[], name: string): WriteCell {
  const places = new Map(symbols.map((symbol, at) => [symbol, at]))
  return (cells, out) => {
    const at = places.get(cells.text)
    if (at === undefined) throw poison(name, 'a text that is no symbol of its enumeration')
    out.zigzag(at)
  }
}

function bytesWriter(object: AvroObject | undefined, { name, type }: Column): WriteCell | undefined {
  if (type.kind !== 'blob') return undefined
  const size = object?.type === 'fixed' ? object.size : undefined
  return (cells, out) => {
    const { bytes } = cells
    if (size === undefined) out.zigzag(bytes.length)
    else if (bytes.length !== size) throw poison(name, `a number of bytes that is not ${size}`)
    out.copy(bytes, 0, bytes.length)
  }
}

/** Two's complement, the highest byte first, with as few bytes as hold it, or as many as the type has. */
function decimalWriter(
  { type: base, precision = 0, scale = 0, size = 0 }: AvroObject,
  { name, type }: Column,
): WriteCell | undefined {
  if (type.kind !== 'decimal' && type.kind !== 'integer') return undefined
  const limit = 10n ** BigInt(precision)
  return (cells, out) => {
    const { value: digits, scale: has } = cells.unscaled
    const shift = 10n ** BigInt(Math.abs(scale - has))
    if (scale < has && digits % shift !== 0n) throw poison(name, `a decimal with more than ${scale} places`)
    const value = scale < has ? digits / shift : digits * shift
    if (value >= limit || value <= -limit) throw poison(name, `a decimal of more than ${precision} digits`)
    const needed = bytesNeeded(value)
    if (base === 'fixed' && needed > size) throw poison(name, `a decimal that does not fit into ${size} bytes`)
    const bytes = base === 'fixed' ? size : needed
    if (base !== 'fixed') out.zigzag(bytes)
    out.room(bytes)
    for (let at = bytes - 1; at >= 0; at--) out.byte(Number((value >> BigInt(at * 8)) & 0xffn))
  }
}

function bytesNeeded(value: bigint): number {
  let bytes = 1
  while (value !== BigInt.asIntN(bytes * 8, value)) bytes++
  return bytes
}
