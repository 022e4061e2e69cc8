import { convertOf, typeNameOf } from '../changes/debezium-columns.ts'
import { BadMessage } from '../changes/json-members.ts'
import type { RowBuffer } from '../changes/row-buffer.ts'
import { dateText, decimalText, floatText, timestampText, timeText } from '../changes/value-text.ts'
import type { TableColumn } from '../../core/changes.ts'
import type { AvroCursor } from './avro-cursor.ts'
import { AvroNames, optionalOf, type AvroObject, type AvroType } from './avro-schema.ts'

/** Reads one value and writes it as JSON. */
export type WriteJson = (cursor: AvroCursor, out: RowBuffer) => void

/** An Avro schema as a function that writes JSON, and as columns. */
export class AvroJson {
  readonly #names: AvroNames
  readonly #records = new Map<AvroObject, WriteJson>()
  readonly #root: AvroObject
  readonly write: WriteJson

  /** `schema` is the text of a record's schema. */
  constructor(schema: string) {
    const type = JSON.parse(schema) as AvroType
    this.#names = new AvroNames(type)
    const root = this.#names.resolve(type)
    if (!isRecord(root)) throw new BadMessage('its Avro schema is no record')
    this.#root = root
    this.write = this.#record(root)
  }

  /** Columns of the record, or of the record in one of its fields. */
  columns(field?: string): TableColumn[] {
    let record = this.#root
    if (field !== undefined) {
      const type = record.fields?.find(({ name }) => name === field)?.type
      const inner = type === undefined ? undefined : this.#withoutNull(type)
      if (inner === undefined || !isRecord(inner)) throw new BadMessage(`its Avro schema has no record ${field}`)
      record = inner
    }
    return (record.fields ?? []).map(({ name, type }) => {
      const nullable = Array.isArray(this.#names.resolve(type))
      return { name, type: this.#columnType(type), nullable }
    })
  }

  #withoutNull(type: AvroType): AvroType {
    const resolved = this.#names.resolve(type)
    const only = Array.isArray(resolved) ? optionalOf(resolved as readonly AvroType[]) : undefined
    return only === undefined ? resolved : this.#names.resolve(only)
  }

  #columnType(type: AvroType): string {
    const inner = this.#withoutNull(type)
    if (typeof inner === 'string') return SIMPLE[inner] ?? 'json'
    if (Array.isArray(inner)) return 'json'
    const object = inner as AvroObject
    const { logicalType, precision = 38, scale = 0 } = object
    const meaning = typeNameOf(connectField(object))
    if (meaning !== undefined) return meaning
    if (logicalType === 'decimal') return precision > 38 ? 'varchar' : `decimal(${precision},${scale})`
    return (
      LOGICAL[logicalType ?? '']?.type ??
      SIMPLE[String(object.type)] ??
      (object.symbols !== undefined ? 'varchar' : 'json')
    )
  }

  #of(type: AvroType): WriteJson {
    const resolved = this.#names.resolve(type)
    if (typeof resolved === 'string') return primitive(resolved)
    if (Array.isArray(resolved)) return this.#union(resolved as readonly AvroType[])
    const object = resolved as AvroObject
    const special = meaningOf(object)
    if (special !== undefined) return special
    switch (object.type) {
      case 'record':
        return this.#record(object)
      case 'enum':
        return (cursor, out) => out.string(object.symbols?.[cursor.int()] ?? '')
      case 'array':
        return blocks('[', ']', this.#of(object.items ?? 'null'), false)
      case 'map':
        return blocks('{', '}', this.#of(object.values ?? 'null'), true)
      case 'fixed':
        return (cursor, out) => out.ascii(`"${cursor.fixed(object.size ?? 0).toString('base64')}"`)
      default:
        return this.#of(object.type)
    }
  }

  #union(branches: readonly AvroType[]): WriteJson {
    const writers = branches.map((branch) => this.#of(branch))
    return (cursor, out) => {
      const write = writers[cursor.int()]
      if (write === undefined) throw new BadMessage('its Avro union has no such branch')
      write(cursor, out)
    }
  }

  /** Made when it is first used, since a record may contain itself. */
  #record(record: AvroObject): WriteJson {
    const known = this.#records.get(record)
    if (known !== undefined) return known
    let fields: readonly (readonly [name: string, write: WriteJson])[] | undefined
    const write: WriteJson = (cursor, out) => {
      fields ??= (record.fields ?? []).map(({ name, type }, at) => [
        `${at === 0 ? '{' : ','}${asciiText(name)}:`,
        this.#of(type),
      ])
      if (fields.length === 0) out.ascii('{')
      for (const [name, writeField] of fields) {
        out.ascii(name)
        writeField(cursor, out)
      }
      out.ascii('}')
    }
    this.#records.set(record, write)
    return write
  }
}

const SIMPLE: Readonly<Record<string, string>> = {
  boolean: 'boolean',
  int: 'integer',
  long: 'bigint',
  float: 'float',
  double: 'double',
  bytes: 'blob',
  fixed: 'blob',
  string: 'varchar',
}

/** Logical types of the Avro specification, from the number that stands for them. */
const LOGICAL: Readonly<Record<string, { readonly type: string; readonly text?: (value: number | bigint) => string }>> =
  {
    date: { type: 'date', text: (days) => dateText(Number(days)) },
    'time-millis': { type: 'time', text: (ms) => timeText(Number(ms) * 1000) },
    'time-micros': { type: 'time', text: (micros) => timeText(Number(micros)) },
    'timestamp-millis': { type: 'timestamp with time zone', text: (ms) => `${timestampText(BigInt(ms) * 1000n)}+00` },
    'timestamp-micros': { type: 'timestamp with time zone', text: (micros) => `${timestampText(BigInt(micros))}+00` },
    'local-timestamp-millis': { type: 'timestamp(3)', text: (ms) => timestampText(BigInt(ms) * 1000n) },
    'local-timestamp-micros': { type: 'timestamp', text: (micros) => timestampText(BigInt(micros)) },
    uuid: { type: 'uuid' },
  }

function meaningOf(object: AvroObject): WriteJson | undefined {
  const { logicalType, scale = 0, size, type } = object
  if (logicalType === 'decimal') {
    return (cursor, out) =>
      out.ascii(`"${decimalText(type === 'fixed' ? cursor.fixed(size ?? 0) : cursor.bytes(), scale)}"`)
  }
  const convert = convertOf(connectField(object))
  if (convert !== undefined && (type === 'int' || type === 'long')) {
    return (cursor, out) => out.ascii(convert(String(cursor.long())))
  }
  if (convert !== undefined && type === 'string') return (cursor, out) => out.ascii(convert(cursor.string()))
  const text = LOGICAL[logicalType ?? '']?.text
  return text === undefined ? undefined : (cursor, out) => out.ascii(`"${text(cursor.long())}"`)
}

function connectField(object: AvroObject): { type: string; name?: string } {
  const name = object['connect.name']
  return { type: String(object.type), ...(name === undefined ? {} : { name }) }
}

function primitive(type: string): WriteJson {
  switch (type) {
    case 'null':
      return (_cursor, out) => out.ascii('null')
    case 'boolean':
      return (cursor, out) => out.ascii(cursor.boolean() ? 'true' : 'false')
    case 'int':
    case 'long':
      return (cursor, out) => out.ascii(String(cursor.long()))
    case 'float':
      return (cursor, out) => out.ascii(floatText(cursor.float(), true))
    case 'double':
      return (cursor, out) => out.ascii(floatText(cursor.double(), false))
    case 'bytes':
      return (cursor, out) => out.ascii(`"${cursor.bytes().toString('base64')}"`)
    case 'string':
      return (cursor, out) => out.string(cursor.string())
    default:
      throw new BadMessage(`its Avro schema has the unknown type ${type}`)
  }
}

/** JSON has no word for what is no number. A float gets the shortest text that is it again. */
/** Arrays and maps come in blocks: a count (negative: its size in bytes follows), so many items, and at last a zero. */
function blocks(open: string, close: string, item: WriteJson, hasKeys: boolean): WriteJson {
  return (cursor, out) => {
    out.ascii(open)
    let isFirst = true
    for (let count = cursor.int(); count !== 0; count = cursor.int()) {
      if (count < 0) cursor.long()
      for (let left = Math.abs(count); left > 0; left--) {
        if (!isFirst) out.ascii(',')
        isFirst = false
        if (hasKeys) {
          out.string(cursor.string())
          out.ascii(':')
        }
        item(cursor, out)
      }
    }
    out.ascii(close)
  }
}

function isRecord(type: AvroType): type is AvroObject {
  return typeof type === 'object' && !Array.isArray(type) && (type as AvroObject).type === 'record'
}

/** Names of Avro are ASCII letters, digits and underscores. */
function asciiText(name: string): string {
  return JSON.stringify(name)
}
