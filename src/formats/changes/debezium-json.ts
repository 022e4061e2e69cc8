import { tableId, type SourceTable } from '../../core/changes.ts'
import type { Schema } from '../../core/schema.ts'
import type { ChangeCollector } from './change-collector.ts'
import type { ChangeFormat, ChangeMessage } from './change-format.ts'
import { debeziumColumns, type ConnectField, type DebeziumColumn } from './debezium-columns.ts'
import { declaredColumns } from './declared-columns.ts'
import { BadMessage, JsonMembers } from './json-members.ts'
import type { RowBuffer } from './row-buffer.ts'

const UNAVAILABLE = Buffer.from('__debezium_unavailable_value')
const UNAVAILABLE_BASE64 = UNAVAILABLE.toString('base64')
/** Schemas that are remembered for each topic. */
const SHAPES_MAX = 16

/** Columns as a message's schema tells them, and the tables that were met with it. */
interface Shape {
  readonly text: Buffer
  readonly columns: ReadonlyMap<string, DebeziumColumn>
  readonly hasConverters: boolean
  readonly tables: Map<string, SourceTable>
}

interface Range {
  from: number
  to: number
}

/** Members of `source` that say where a change stands in its log. */
const PLACE: ReadonlySet<string> = new Set(['name', 'server_id', 'file', 'pos', 'lsn'])

const NOWHERE: Range = { from: 0, to: 0 }
const NAMES = {
  schema: Buffer.from('schema'),
  payload: Buffer.from('payload'),
  before: Buffer.from('before'),
  after: Buffer.from('after'),
  op: Buffer.from('op'),
  source: Buffer.from('source'),
  db: Buffer.from('db'),
  table: Buffer.from('table'),
  ddl: Buffer.from('ddl'),
}

/**
 * Debezium's envelope in JSON, with the schema in each message or without it. Where no value has to be converted a row's
 * bytes go on as they are; nothing is made of a message but its row.
 */
export class DebeziumJson implements ChangeFormat {
  readonly #declared: Shape | undefined
  readonly #shapes = new Map<string, Shape[]>()
  readonly #members = new JsonMembers()
  readonly #row = new JsonMembers()
  #schema = NOWHERE
  #before = NOWHERE
  #after = NOWHERE
  #source = NOWHERE
  #op = 0
  #isOther = false

  /**
   * `declared` are the columns of the pipeline, for messages without their schema; `isConverted`: values are already as our
   * rows have them.
   */
  constructor(declared: Schema | undefined, isConverted = false) {
    const columns = declared === undefined || isConverted ? declared : declaredColumns(declared)
    this.#declared = columns === undefined ? undefined : shapeOf(Buffer.alloc(0), columns)
  }

  decode(message: ChangeMessage, out: ChangeCollector): void {
    // Debezium sends a tombstone behind each delete, for compaction.
    if (message.isNull || message.from === message.to || !this.#findParts(message)) return
    const shape = this.#shapeOf(message)
    const { database, name, isPostgres } = this.#tableName(message.buffer)
    const id = tableId(database, name)
    if (!out.wants({ id, database, name }) || this.#isRepeated(message.buffer, out)) return
    const table = this.#tableOf(shape, message, { id, database, name })
    switch (this.#op) {
      case 0x72: // r
      case 0x63: // c
      case 0x75: // u
        return this.#upsert(message, out, table, shape, isPostgres)
      case 0x64: // d
        return this.#delete(message, out, table, shape)
      case 0x74: // t
        return out.event(table, { kind: 'truncate' })
      case 0x6d: // m
        return
      default:
        throw new BadMessage(`its op ${JSON.stringify(String.fromCharCode(this.#op))} is unknown`)
    }
  }

  #upsert(message: ChangeMessage, out: ChangeCollector, table: SourceTable, shape: Shape, isPostgres: boolean): void {
    const { buffer } = message
    const { from, to } = this.#after
    if (to === 0) throw new BadMessage('it has no `after`')
    const hasGaps = isPostgres && mayHaveGaps(buffer, from, to)
    if (!hasGaps && !shape.hasConverters) {
      const rows = out.open(table)
      rows.members(buffer, from, to)
      return out.end(table, rows, false)
    }
    const present = hasGaps ? this.#presentColumns(buffer, from, to) : undefined
    const rows = out.open(table, present)
    this.#writeRow(rows, buffer, from, to, shape, present)
    out.end(table, rows, false)
  }

  /** The row as it was, or at least its key. */
  #delete(message: ChangeMessage, out: ChangeCollector, table: SourceTable, shape: Shape): void {
    const rows = out.open(table)
    if (this.#before.to > 0) {
      this.#writeRow(rows, message.buffer, this.#before.from, this.#before.to, shape, undefined)
    } else {
      const key = keyPayload(this.#row, message)
      if (key === undefined) throw new BadMessage('a delete has neither `before` nor a key')
      this.#writeRow(rows, message.keyBuffer, key.from, key.to, shape, undefined)
    }
    out.end(table, rows, true)
  }

  #writeRow(
    rows: RowBuffer,
    buffer: Buffer,
    from: number,
    to: number,
    shape: Shape,
    present: readonly string[] | undefined,
  ): void {
    const row = this.#row
    row.open(buffer, from, to)
    while (row.next()) {
      const { key } = row
      if (present?.includes(key) === false) continue
      const convert = row.isNull ? undefined : shape.columns.get(key)?.convert
      rows.name(buffer, row.keyFrom - 1, row.keyTo + 1)
      if (convert === undefined) rows.raw(buffer, row.from, row.to)
      else rows.ascii(convert(row.text))
    }
  }

  /** Columns whose values the message has: large ones that did not change are left out by Postgres. */
  #presentColumns(buffer: Buffer, from: number, to: number): string[] | undefined {
    const row = this.#row
    const present: string[] = []
    let all = 0
    row.open(buffer, from, to)
    while (row.next()) {
      all++
      const { text } = row
      if (text !== UNAVAILABLE.toString() && text !== UNAVAILABLE_BASE64) present.push(row.key)
    }
    return present.length === all ? undefined : present
  }

  /** False for messages that tell of something else than rows. */
  #findParts({ buffer, from, to }: ChangeMessage): boolean {
    this.#schema = NOWHERE
    const payload = this.#scan(buffer, from, to)
    if (payload === undefined) return this.#hasOp()
    // A null payload is a tombstone.
    if (buffer[payload.from] === 0x6e) return false
    const { schema } = { schema: this.#schema }
    this.#scan(buffer, payload.from, payload.to)
    this.#schema = schema
    return this.#hasOp()
  }

  #hasOp(): boolean {
    if (this.#op !== 0) return true
    if (this.#isOther || this.#source.to === 0) return false
    throw new BadMessage('it has no `op`')
  }

  /** Notes where the parts are; returns the payload, if there is one around them. */
  #scan(buffer: Buffer, from: number, to: number): Range | undefined {
    const members = this.#members
    let payload: Range | undefined
    this.#before = this.#after = this.#source = NOWHERE
    this.#op = 0
    this.#isOther = false
    members.open(buffer, from, to)
    while (members.next()) {
      const range = { from: members.from, to: members.to }
      if (members.is(NAMES.after)) this.#after = members.isNull ? NOWHERE : range
      else if (members.is(NAMES.before)) this.#before = members.isNull ? NOWHERE : range
      else if (members.is(NAMES.op)) this.#op = buffer[members.from + 1] ?? 0
      else if (members.is(NAMES.source)) this.#source = range
      else if (members.is(NAMES.schema) && members.isObject) this.#schema = range
      else if (members.is(NAMES.payload)) payload = range
      else if (members.is(NAMES.ddl)) this.#isOther = true
    }
    return payload
  }

  #tableName(buffer: Buffer): { database: string; name: string; isPostgres: boolean } {
    const members = this.#members
    const { from, to } = this.#source
    if (to === 0) throw new BadMessage('it has no `source`')
    let [database, schema, name] = ['', '', '']
    members.open(buffer, from, to)
    while (members.next()) {
      if (members.isNull) continue
      if (members.is(NAMES.db)) database = members.text
      else if (members.is(NAMES.schema)) schema = members.text
      else if (members.is(NAMES.table)) name = members.text
    }
    if (name === '') throw new BadMessage('its `source` names no table')
    return { database: schema === '' ? database : schema, name, isPostgres: schema !== '' }
  }

  /** Rows of a snapshot have no order among the changes. */
  #isRepeated(buffer: Buffer, { order }: ChangeCollector): boolean {
    if (order === undefined || this.#op === 0x72) return false
    const members = this.#members
    const found = new Map<string, string>()
    members.open(buffer, this.#source.from, this.#source.to)
    while (members.next()) if (!members.isNull && PLACE.has(members.key)) found.set(members.key, members.text)
    const [server, lsn, pos] = [found.get('server_id') ?? '', found.get('lsn'), found.get('pos')]
    const name = found.get('name') ?? ''
    if (lsn !== undefined) return order.isOld(name, [0n, BigInt(lsn)])
    const [, base = '', number = ''] = /^(.*?)(\d+)$/.exec(found.get('file') ?? '') ?? []
    // Another server numbers its files anew.
    return pos !== undefined && number !== '' && order.isOld(`${name} ${server} ${base}`, [BigInt(number), BigInt(pos)])
  }

  #shapeOf({ topic, buffer }: ChangeMessage): Shape {
    const { from, to } = this.#schema
    if (to === 0) {
      if (this.#declared !== undefined) return this.#declared
      throw new BadMessage(
        'it comes without its schema, and nobody says which columns there are: give the source a `schema`, or set ' +
          'value.converter.schemas.enable of the connector',
      )
    }
    const known = this.#shapes.get(topic) ?? []
    for (const shape of known) {
      if (shape.text.length === to - from && buffer.compare(shape.text, 0, shape.text.length, from, to) === 0)
        return shape
    }
    const text = Buffer.from(buffer.subarray(from, to))
    const schema = JSON.parse(text.toString()) as ConnectField
    const struct =
      schema.fields?.find(({ field }) => field === 'after') ?? schema.fields?.find(({ field }) => field === 'before')
    if (struct === undefined) throw new BadMessage('its schema has no `after`')
    const shape = shapeOf(text, debeziumColumns(struct))
    this.#shapes.set(topic, [shape, ...known].slice(0, SHAPES_MAX))
    this.#members.expected = text
    return shape
  }

  #tableOf(
    { tables, columns }: Shape,
    message: ChangeMessage,
    { id, database, name }: { id: string; database: string; name: string },
  ): SourceTable {
    const known = tables.get(id)
    if (known !== undefined) return known
    const key = keyNames(this.#row, message)
    const plain = [...columns.values()].map(({ convert: _convert, ...column }) => column)
    const table = { id, database, name, columns: plain, key }
    tables.set(id, table)
    return table
  }
}

function shapeOf(text: Buffer, columns: readonly DebeziumColumn[]): Shape {
  return {
    text,
    columns: new Map(columns.map((column) => [column.name, column])),
    hasConverters: columns.some(({ convert }) => convert !== undefined),
    tables: new Map(),
  }
}

function mayHaveGaps(buffer: Buffer, from: number, to: number): boolean {
  const text = buffer.subarray(from, to)
  return text.includes(UNAVAILABLE) || text.includes(UNAVAILABLE_BASE64)
}

/** The object of a message's key, without the schema around it. */
function keyPayload(members: JsonMembers, { keyBuffer, keyFrom, keyTo }: ChangeMessage): Range | undefined {
  if (keyFrom === keyTo) return undefined
  let payload: Range | undefined
  members.open(keyBuffer, keyFrom, keyTo)
  while (members.next()) if (members.is(NAMES.payload)) payload = { from: members.from, to: members.to }
  const found = payload ?? { from: keyFrom, to: keyTo }
  return keyBuffer[found.from] === 0x7b ? found : undefined
}

function keyNames(members: JsonMembers, message: ChangeMessage): string[] {
  const payload = keyPayload(members, message)
  if (payload === undefined) return []
  const names: string[] = []
  members.open(message.keyBuffer, payload.from, payload.to)
  while (members.next()) names.push(members.key)
  return names
}
