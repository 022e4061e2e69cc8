import { assert } from '../../../core/assert.ts'
import type { Batch } from '../../../core/batch.ts'
import type { Finding } from '../../../core/checkpoint-types.ts'
import { MillraceError } from '../../../core/errors.ts'
import type { Schema } from '../../../core/schema.ts'
import { emptyParts, encodeHeaders, partitionOfKey } from '../../../clients/kafka/index.ts'
import { openQuery, parseColumnType, type LaneDatabase, type Query } from '../../../dataplane/index.ts'
import { ByteWriter } from '../../../formats/binary-rows/byte-writer.ts'
import { Cells } from '../../../formats/binary-rows/cells.ts'
import type { RecordEncoder } from './encoder.ts'
import type { KafkaSinkOptions } from './options.ts'
import type { PartitionRouter } from './partition-router.ts'
import { linesSql, recordSql } from './record-columns.ts'
import type { ValueFormat } from './value-format.ts'

/** Tables of a step come under a few names; each is planned once. */
const QUERIES_MAX = 8
const SPACE = 0x20
const MINUS = 0x2d
const ZERO = 0x30
const NO_HEADERS = encodeHeaders([])
/** Time that a record can have: Kafka has no earlier one. */
const EARLIEST_MS = 0

/** Records with keys, partitions, headers and times from columns: one query writes all of it as lines. */
export class TableEncoder implements RecordEncoder {
  readonly #database: LaneDatabase
  readonly #schema: Schema
  readonly #sql: Exclude<ReturnType<typeof recordSql>, readonly unknown[]>
  readonly #queries = new Map<string, Query>()
  readonly #parts = emptyParts()
  readonly #format: ValueFormat | undefined
  readonly #cells = new Cells()
  readonly #value = new ByteWriter()
  #buffer: Buffer | undefined
  #at = 0

  /** `format`: how values are made that are no text. */
  constructor(database: LaneDatabase, schema: Schema, options: KafkaSinkOptions, format?: ValueFormat) {
    const sql = recordSql(options, schema, format?.rows.columns)
    if (!('value' in sql)) throw noRecord(sql)
    this.#format = format
    this.#database = database
    this.#schema = schema
    this.#sql = sql
  }

  async encode({ body, rows }: Batch, router: PartitionRouter, nowMs: number): Promise<void> {
    assert(body.kind === 'table', 'records are made of tables')
    const query = await this.#query(body.relation)
    const result = await query.run(undefined, this.#buffer)
    assert(result.ok && result.rows === rows, 'a query without a filter gives every row')
    this.#buffer = result.buffer
    this.#at = 0
    for (let row = 0; row < rows; row++) this.#addLine(result.buffer, router, nowMs)
    assert(this.#at === result.length, 'lines are as long as they say')
  }

  close(): void {
    for (const query of this.#queries.values()) query.close()
    this.#queries.clear()
  }

  async #query(relation: string): Promise<Query> {
    const known = this.#queries.get(relation)
    if (known !== undefined) return known
    if (this.#queries.size >= QUERIES_MAX) this.close()
    const columns = this.#schema.map(({ name, type, nullable }) => ({ name, type: parseColumnType(type), nullable }))
    const query = await openQuery(this.#database, {
      input: { format: 'table', name: 'rows', columns, table: relation },
      sql: linesSql(this.#sql, 'rows'),
      output: { format: 'lines' },
    })
    this.#queries.set(relation, query)
    return query
  }

  #addLine(buffer: Buffer, router: PartitionRouter, nowMs: number): void {
    const parts = this.#parts
    const { partition, timestamp, key, headers } = this.#sql
    const given = partition === undefined ? undefined : this.#number(buffer)
    const timestampMs = (timestamp === undefined ? undefined : this.#number(buffer)) ?? nowMs
    if (timestampMs < EARLIEST_MS) throw poison('a time before 1970, which Kafka has no number for')
    const keyBytes = key === undefined ? undefined : this.#number(buffer)
    const headerBytes = headers === undefined ? undefined : this.#number(buffer)
    const valueBytes = this.#number(buffer)
    const keyAt = this.#at
    const headersAt = keyAt + (keyBytes ?? 0)
    const valueAt = headersAt + (headerBytes ?? 0)
    this.#at = valueAt + (valueBytes ?? 0) + 1
    parts.timestampMs = timestampMs
    parts.key = buffer
    parts.keyFrom = keyAt
    parts.keyTo = keyBytes === undefined ? -1 : keyAt + keyBytes
    parts.value = buffer
    parts.valueFrom = valueAt
    parts.valueTo = valueBytes === undefined ? -1 : valueAt + valueBytes
    parts.headers = headerBytes === undefined ? NO_HEADERS : headersOf(buffer.toString('utf8', headersAt, valueAt))
    parts.headersTo = parts.headers.length
    if (this.#format !== undefined && valueBytes !== undefined) this.#makeValue(this.#format, buffer, valueAt)
    if (this.#sql.isKeyHex && keyBytes !== undefined) {
      parts.key = Buffer.from(buffer.toString('latin1', keyAt, headersAt), 'hex')
      parts.keyFrom = 0
      parts.keyTo = parts.key.length
    }
    if (this.#sql.isValueHex && valueBytes !== undefined) {
      parts.value = Buffer.from(buffer.toString('latin1', valueAt, valueAt + valueBytes), 'hex')
      parts.valueFrom = 0
      parts.valueTo = parts.value.length
    }
    router.add(parts, this.#partition(given, router.partitions))
  }

  #makeValue({ rows, head }: ValueFormat, buffer: Buffer, from: number): void {
    const value = this.#value
    value.reset()
    value.copy(head, 0, head.length)
    this.#cells.open(buffer, from)
    rows.encode(this.#cells, value)
    const parts = this.#parts
    parts.value = value.buffer
    parts.valueFrom = 0
    parts.valueTo = value.length
  }

  #partition(given: number | undefined, partitions: number): number | undefined {
    const { key, keyFrom, keyTo } = this.#parts
    if (given === undefined) return keyTo < 0 ? undefined : partitionOfKey(partitions, key, keyFrom, keyTo)
    if (given < partitions && given >= 0) return given
    throw poison(`a partition that the topic does not have (it has ${partitions})`)
  }

  /** The next number of a line's head; `-` alone stands for none. */
  #number(buffer: Buffer): number | undefined {
    let at = this.#at
    const isNegative = buffer[at] === MINUS
    if (isNegative) at++
    const first = at
    let value = 0
    for (let byte = buffer[at] ?? SPACE; byte !== SPACE; byte = buffer[++at] ?? SPACE) value = value * 10 + byte - ZERO
    this.#at = at + 1
    if (at === first) return undefined
    return isNegative ? -value : value
  }
}

/** The options do not fit the columns. */
export function noRecord(findings: readonly Finding[]): MillraceError {
  const message = findings.map((finding) => finding.message).join('; ')
  return new MillraceError(`making records of rows: ${message}`, { code: 'SCHEMA' })
}

function headersOf(text: string): Buffer {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw poison('headers that are no JSON')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw poison('headers that are no JSON object')
  return encodeHeaders(
    Object.entries(parsed).map(([name, value]): [string, Buffer | null] => {
      if (value === null) return [name, null]
      if (typeof value !== 'string') throw poison('a header that is no text')
      return [name, Buffer.from(value, 'utf8')]
    }),
  )
}

/** Which row it is, the engine finds out. */
function poison(what: string): MillraceError {
  return new MillraceError(`making Kafka records of rows: a row has ${what}`, { code: 'POISON' })
}
