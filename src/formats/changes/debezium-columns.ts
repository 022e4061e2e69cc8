import type { TableColumn } from '../../core/changes.ts'
import { BadMessage } from './json-members.ts'
import { dateText, decimalText, timestampText, timeText } from './value-text.ts'

/** Makes of a value, as the message has it, what our rows have: JSON text. Absent: the value goes on as it is. */
export type ValueText = (text: string) => string

export interface DebeziumColumn extends TableColumn {
  readonly convert?: ValueText
}

/** A field of a Kafka Connect schema. */
export interface ConnectField {
  readonly type: string
  readonly optional?: boolean
  readonly name?: string
  readonly field?: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly fields?: readonly ConnectField[]
}

const PRIMITIVES: Readonly<Record<string, string>> = {
  int8: 'tinyint',
  int16: 'smallint',
  int32: 'integer',
  int64: 'bigint',
  float: 'float',
  float32: 'float',
  double: 'double',
  float64: 'double',
  boolean: 'boolean',
  string: 'varchar',
  bytes: 'blob',
  array: 'json',
  map: 'json',
  struct: 'json',
}

interface Meaning {
  readonly type: (field: ConnectField) => string
  readonly convert?: ((field: ConnectField) => ValueText | undefined) | undefined
}

const quoted = (text: string): string => `"${text}"`
const epoch = (toMicros: (value: bigint) => bigint): Meaning['convert'] => {
  return () => (text) => quoted(timestampText(toMicros(BigInt(text))))
}
const time = (toMicros: (value: number) => number): Meaning['convert'] => {
  return () => (text) => quoted(timeText(toMicros(Number(text))))
}
const floorBy =
  (by: bigint) =>
  (value: bigint): bigint =>
    (value - (((value % by) + by) % by)) / by
const constant =
  (type: string): Meaning['type'] =>
  () =>
    type

/**
 * What names of Kafka Connect and Debezium mean (debezium-core io/debezium/time, io/debezium/data; kafka connect/data).
 * Nanoseconds are cut to microseconds, which is what columns hold.
 */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  'io.debezium.time.Date': { type: constant('date'), convert: () => (text) => quoted(dateText(Number(text))) },
  'org.apache.kafka.connect.data.Date': {
    type: constant('date'),
    convert: () => (text) => quoted(dateText(Number(text))),
  },
  'io.debezium.time.Timestamp': { type: constant('timestamp(3)'), convert: epoch((ms) => ms * 1000n) },
  'org.apache.kafka.connect.data.Timestamp': { type: constant('timestamp(3)'), convert: epoch((ms) => ms * 1000n) },
  'io.debezium.time.MicroTimestamp': { type: constant('timestamp'), convert: epoch((micros) => micros) },
  'io.debezium.time.NanoTimestamp': { type: constant('timestamp'), convert: epoch(floorBy(1000n)) },
  'io.debezium.time.ZonedTimestamp': { type: constant('timestamp with time zone'), convert: () => utcText },
  'io.debezium.time.Time': { type: constant('time'), convert: time((ms) => ms * 1000) },
  'org.apache.kafka.connect.data.Time': { type: constant('time'), convert: time((ms) => ms * 1000) },
  'io.debezium.time.MicroTime': { type: constant('time'), convert: time((micros) => micros) },
  'io.debezium.time.NanoTime': { type: constant('time'), convert: time((nanos) => Math.floor(nanos / 1000)) },
  'io.debezium.time.Year': { type: constant('integer') },
  'org.apache.kafka.connect.data.Decimal': { type: decimalType, convert: decimalConvert },
  'io.debezium.data.VariableScaleDecimal': { type: constant('varchar'), convert: () => variableDecimal },
  'io.debezium.data.Json': { type: constant('json') },
  'io.debezium.data.Uuid': { type: constant('uuid') },
  'io.debezium.data.Xml': { type: constant('varchar') },
  'io.debezium.data.Enum': { type: constant('varchar') },
  'io.debezium.data.EnumSet': { type: constant('varchar') },
}

/** The columns of a table, from the schema of its rows. */
export function debeziumColumns(struct: ConnectField): DebeziumColumn[] {
  return (struct.fields ?? []).map((field) => {
    const meaning = MEANINGS[field.name ?? '']
    const type = meaning?.type(field) ?? PRIMITIVES[field.type]
    if (field.field === undefined || type === undefined)
      throw new BadMessage(`its schema has a field ${field.field ?? ''} of the unknown type ${field.type}`)
    const convert = meaning?.convert?.(field)
    const native = field.parameters?.['__debezium.source.column.type']
    const length = Number(field.parameters?.['__debezium.source.column.length'] ?? Number.NaN)
    return {
      name: field.field,
      type,
      nullable: field.optional === true,
      ...(native === undefined ? {} : { native }),
      ...(type === 'varchar' && length > 0 ? { length } : {}),
      ...(convert === undefined ? {} : { convert }),
    }
  })
}

/** The type that a field's name gives it; `undefined` for names that mean nothing. */
export function typeNameOf(field: ConnectField): string | undefined {
  return MEANINGS[field.name ?? '']?.type(field)
}

export function convertOf(field: ConnectField): ValueText | undefined {
  return MEANINGS[field.name ?? '']?.convert?.(field)
}

/** Its precision is known where the connector was told to say so; otherwise the widest that leaves room for the scale. */
function decimalType({ parameters }: ConnectField): string {
  const precision = Number(parameters?.['connect.decimal.precision'] ?? 38)
  const scale = Number(parameters?.['scale'] ?? 0)
  return precision > 38 ? 'varchar' : `decimal(${precision},${scale})`
}

function decimalConvert({ type, parameters }: ConnectField): ValueText | undefined {
  if (type !== 'bytes') return undefined
  const scale = Number(parameters?.['scale'] ?? 0)
  return (text) => quoted(decimalText(Buffer.from(text, 'base64'), scale))
}

function variableDecimal(text: string): string {
  const { scale, value } = JSON.parse(text) as { scale: number; value: string }
  return quoted(decimalText(Buffer.from(value, 'base64'), scale))
}

const ZONED = /^(\d{4,}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)$/

/** `2024-01-02T03:04:05.678Z` in the form of our timestamps. Other zones are brought to UTC. */
function utcText(text: string): string {
  const [, day = '', time = '', fraction = '', zone = ''] = ZONED.exec(text) ?? []
  if (day === '') throw new BadMessage('a timestamp with a zone is not written as ISO 8601 says')
  const digits = fraction.slice(0, 7)
  if (zone === 'Z') return quoted(`${day} ${time}${digits}`)
  const instant = new Date(`${day}T${time}${zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`}`)
  return quoted(instant.toISOString().slice(0, 19).replace('T', ' ') + digits)
}
