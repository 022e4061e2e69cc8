import protobuf from 'protobufjs'
import type { Column } from '../../dataplane/index.ts'
import type { ByteWriter } from '../binary-rows/byte-writer.ts'
import type { Cells } from '../binary-rows/cells.ts'
import { misfit, poison, type RowFormat, type WriteCell } from '../binary-rows/row-format.ts'
import { WIRE } from './protobuf-cursor.ts'
import { scalarOf, tellsAbsence, TIMESTAMP } from './protobuf-scalars.ts'

/** Rows as messages of one type, by the names of its fields. Fields without a column are left out. */
export class ProtobufRows implements RowFormat {
  readonly columns: readonly Column[]
  readonly #fields: readonly WriteCell[]

  constructor(type: protobuf.Type, columns: readonly Column[]) {
    const problems: string[] = []
    this.columns = columns.map((column) => asText(type.fields[column.name], column))
    this.#fields = columns.map((column) => {
      const field = type.fields[column.name]
      const write = field === undefined ? undefined : fieldWriter(field, column)
      if (write !== undefined) return write
      problems.push(
        field === undefined
          ? `${type.name} has no field ${column.name}`
          : `the column ${column.name} (${column.type.kind}) does not fit its field`,
      )
      return () => undefined
    })
    for (const field of type.fieldsArray) {
      if (field.required && !columns.some(({ name }) => name === field.name))
        problems.push(`there is no column for the field ${field.name}, which is required`)
    }
    if (problems.length > 0) throw misfit('Protobuf', problems)
  }

  encode(cells: Cells, out: ByteWriter): void {
    for (const write of this.#fields) write(cells, out)
  }
}

function fieldWriter(field: protobuf.Field, column: Column): WriteCell | undefined {
  if (field.repeated || field.map) return undefined
  const isTimestamp = field.resolvedType instanceof protobuf.Type && field.resolvedType.fullName === TIMESTAMP
  if (field.resolvedType instanceof protobuf.Type && !isTimestamp) return undefined
  const write = isTimestamp ? timestampWriter(column) : valueWriter(field, column)
  if (write === undefined) return undefined
  const wireType = isTimestamp ? WIRE.BYTES : scalarOf(field).wireType
  const tag = field.id * 8 + wireType
  const mayLack = tellsAbsence(field) && !field.required
  return (cells, out) => {
    cells.next()
    if (!cells.isNull) {
      out.varint(tag)
      write(cells, out)
    } else if (!mayLack) throw poison(column.name, 'a NULL, and its field cannot be absent: declare it optional')
  }
}

/** Bits of whole numbers, and whether they have a sign. */
const WHOLE: Readonly<Record<string, readonly [bits: bigint, isSigned: boolean]>> = {
  int32: [32n, true],
  sint32: [32n, true],
  sfixed32: [32n, true],
  int64: [64n, true],
  sint64: [64n, true],
  sfixed64: [64n, true],
  uint32: [32n, false],
  fixed32: [32n, false],
  uint64: [64n, false],
  fixed64: [64n, false],
}

/** Days and times of day go into text as people write them, not as numbers. */
function asText(field: protobuf.Field | undefined, column: Column): Column {
  const isTime = column.type.kind === 'date' || column.type.kind === 'time'
  return field?.type === 'string' && isTime ? { ...column, type: { kind: 'varchar' } } : column
}

/** Kinds of columns whose text is a value as people write it. */
const TEXTS = new Set(['varchar', 'json', 'uuid', 'decimal', 'integer', 'date', 'time'])

function valueWriter(field: protobuf.Field, column: Column): WriteCell | undefined {
  const { kind } = column.type
  if (field.resolvedType instanceof protobuf.Enum) return enumWriter(field.resolvedType, column)
  const whole = WHOLE[field.type]
  if (whole !== undefined) return kind === 'integer' ? wholeWriter(field.type, whole, column.name) : undefined
  switch (field.type) {
    case 'bool':
      return kind === 'boolean' ? (cells, out) => out.byte(cells.isTrue ? 1 : 0) : undefined
    case 'float':
      return kind === 'float' ? (cells, out) => out.float(cells.real) : undefined
    case 'double':
      return kind === 'float' || kind === 'double' ? (cells, out) => out.double(cells.real) : undefined
    case 'string':
      return TEXTS.has(kind) ? writeText : undefined
    case 'bytes':
      return kind === 'blob' ? writeBytes : undefined
    default:
      return undefined
  }
}

const writeText: WriteCell = (cells, out) => {
  out.varint(cells.to - cells.from)
  out.copy(cells.buffer, cells.from, cells.to)
}

const writeBytes: WriteCell = (cells, out) => {
  const { bytes } = cells
  out.varint(bytes.length)
  out.copy(bytes, 0, bytes.length)
}

function wholeWriter(type: string, [bits, isSigned]: readonly [bigint, boolean], name: string): WriteCell {
  const [least, greatest] = isSigned ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n]
  const isFixed = type.includes('fixed')
  const isZigzag = type.startsWith('sint')
  return (cells, out) => {
    const value = cells.whole
    if (value < least || value > greatest) throw poison(name, `a number that is no ${type}`)
    if (isFixed && bits === 32n) out.fixed32(Number(value))
    else if (isFixed) out.fixed64(value)
    else if (isZigzag) out.zigzag(value)
    // Negative ones have all of their 64 bits, whatever their type.
    else out.varint(value < 0 ? BigInt.asUintN(64, BigInt(value)) : value)
  }
}

function enumWriter({ values }: protobuf.Enum, { name, type }: Column): WriteCell | undefined {
  if (type.kind !== 'varchar') return undefined
  return (cells, out) => {
    const value = values[cells.text]
    if (value === undefined) throw poison(name, 'a text that is no name of its enumeration')
    out.varint(value < 0 ? BigInt.asUintN(64, BigInt(value)) : value)
  }
}

const SECOND = 1_000_000_000n

/** Columns without a time zone are taken as UTC. */
function timestampWriter({ type }: Column): WriteCell | undefined {
  if (type.kind !== 'timestamp' && type.kind !== 'timestamptz') return undefined
  const unit = type.kind === 'timestamp' && type.precision > 6 ? 1n : 1000n
  return (cells, out) => {
    const nanos = BigInt(cells.whole) * unit
    const fraction = ((nanos % SECOND) + SECOND) % SECOND
    const seconds = BigInt.asUintN(64, (nanos - fraction) / SECOND)
    out.varint(1 + varintBytes(seconds) + (fraction === 0n ? 0 : 1 + varintBytes(fraction)))
    out.varint((1 << 3) + WIRE.VARINT)
    out.varint(seconds)
    if (fraction === 0n) return
    out.varint((2 << 3) + WIRE.VARINT)
    out.varint(fraction)
  }
}

function varintBytes(value: bigint): number {
  let bytes = 1
  for (let rest = value >> 7n; rest > 0n; rest >>= 7n) bytes++
  return bytes
}
