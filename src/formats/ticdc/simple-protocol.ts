import { tableId, type SourceTable, type TableColumn } from '../../core/changes.ts'
import type { ChangeMessage } from '../changes/change-format.ts'
import { BadMessage, JsonMembers } from '../changes/json-members.ts'
import { MessageParts, type Range } from '../changes/message-parts.ts'
import { isNumeric, mysqlColumn } from '../changes/mysql-column.ts'
import { RowBuffer } from '../changes/row-buffer.ts'
import type { FeedRow } from './feed-buffer.ts'
import type { FeedFormat, FeedSink } from './feed-format.ts'

interface Known {
  readonly table: SourceTable
  readonly numeric: ReadonlySet<string>
  /** Words of ENUM and SET columns, which rows name by number. */
  readonly words: ReadonlyMap<string, { readonly isSet: boolean; readonly words: readonly string[] }>
}

/** A table's schema, as BOOTSTRAP and statements bring it. */
interface TableSchema {
  readonly schema: string
  readonly table: string
  readonly columns: readonly {
    readonly name: string
    readonly nullable?: boolean
    readonly dataType: {
      readonly mysqlType: string
      readonly length?: number
      readonly decimal?: number
      readonly unsigned?: boolean
      readonly elements?: readonly string[]
    }
  }[]
  readonly indexes?: readonly {
    readonly primary?: boolean
    readonly unique?: boolean
    readonly columns: readonly string[]
  }[]
}

const ROWS = new Set(['INSERT', 'UPDATE', 'DELETE'])
const PARTS = new MessageParts(
  ['type', 'commitTs', 'schemaVersion', 'database', 'table', 'handleKeyOnly', 'claimCheckLocation'],
  ['data', 'old', 'tableSchema'],
)
type SimpleParts = ReturnType<typeof PARTS.read>

/**
 * TiCDC's simple protocol in JSON: rows name the version of their table's schema, which other messages bring. Rows whose
 * schema has not come yet, as after a restart, wait for it: TiCDC sends it again every two minutes.
 */
export class SimpleProtocol implements FeedFormat {
  readonly #known = new Map<string, Known>()
  readonly #row = new JsonMembers()
  readonly #out = new RowBuffer(0)

  decode({ buffer, from, to }: ChangeMessage, out: FeedSink): void {
    if (from === to) return
    const parts = PARTS.read(buffer, from, to)
    const { type, database, table: name, schemaVersion: version } = parts
    const commitTs = timeOf(parts)
    if (type === 'WATERMARK') return out.watermark(commitTs)
    const id = tableId(database, name)
    if (parts.tableSchema.to > 0) this.#learn(buffer, parts.tableSchema)
    if (name === '' || !out.wants({ id, database, name })) return
    if (!ROWS.has(type)) return this.#statement(parts, id, out)
    if (parts.handleKeyOnly === 'true' || parts.claimCheckLocation !== '')
      throw new BadMessage('it is too large for its topic and was sent in part only: raise max-message-bytes')
    const known = this.#known.get(`${id}@${version}`)
    if (known !== undefined) {
      for (const row of this.#rows(buffer, parts, known)) out.row(row)
      return
    }
    const copy = Buffer.from(buffer.subarray(from, to))
    out.hold(commitTs, () => {
      const learnt = this.#known.get(`${id}@${version}`)
      return learnt === undefined ? undefined : this.#rows(copy, PARTS.read(copy, 0, copy.length), learnt)
    })
  }

  #rows(buffer: Buffer, parts: SimpleParts, known: Known): FeedRow[] {
    const { type, data, old } = parts
    const commitTs = timeOf(parts)
    const { table } = known
    const row = (range: Range, isDelete: boolean): FeedRow => {
      return { commitTs, table, isDelete, text: this.#text(buffer, range, known, isDelete) }
    }
    if (type === 'DELETE') return [row(old, true)]
    if (type === 'INSERT' || old.to === 0) return [row(data, false)]
    return this.#keyText(buffer, old, table) === this.#keyText(buffer, data, table)
      ? [row(data, false)]
      : [row(old, true), row(data, false)]
  }

  #keyText(buffer: Buffer, { from, to }: Range, { key }: SourceTable): string {
    const members = this.#row
    const found: string[] = []
    members.open(buffer, from, to)
    while (members.next()) if (key.includes(members.key)) found.push(`${members.key}=${members.text}`)
    return found.toSorted((left, right) => (left < right ? -1 : 1)).join('\0')
  }

  #text(buffer: Buffer, { from, to }: Range, { numeric, words }: Known, isDelete: boolean): Buffer {
    const out = this.#out
    const members = this.#row
    out.reset()
    members.open(buffer, from, to)
    while (members.next()) {
      const { key } = members
      out.name(buffer, members.keyFrom - 1, members.keyTo + 1)
      const named = words.get(key)
      if (members.isNull) out.ascii('null')
      else if (named !== undefined) out.string(wordsOf(members.text, named))
      else if (numeric.has(key)) out.ascii(members.text)
      // A TIMESTAMP comes with the time zone that it is written in.
      else if (members.isObject) out.string(utcText(JSON.parse(buffer.toString('utf8', members.from, members.to))))
      else out.raw(buffer, members.from, members.to)
    }
    out.end(isDelete)
    return Buffer.from(out.buffer.subarray(0, out.length - 1))
  }

  #statement(parts: SimpleParts, id: string, out: FeedSink): void {
    const { type, schemaVersion: version } = parts
    const commitTs = timeOf(parts)
    const kind = type === 'TRUNCATE' ? 'truncate' : type === 'ERASE' ? 'drop' : undefined
    const known =
      this.#known.get(`${id}@${version}`) ?? [...this.#known].findLast(([key]) => key.startsWith(`${id}@`))?.[1]
    if (kind !== undefined && known !== undefined) out.event({ commitTs, table: known.table, event: { kind } })
  }

  #learn(buffer: Buffer, { from, to }: Range): void {
    const text = buffer.toString('utf8', from, to)
    const schema = JSON.parse(text) as TableSchema
    // Versions are timestamps, which a number would round.
    const version = /"version":\s*(\d+)/.exec(text)?.[1] ?? ''
    const id = tableId(schema.schema, schema.table)
    if (this.#known.has(`${id}@${version}`)) return
    const columns = schema.columns.map(columnOf)
    const indexes = schema.indexes ?? []
    const key =
      (indexes.find(({ primary }) => primary === true) ?? indexes.find(({ unique }) => unique === true))?.columns ?? []
    this.#known.set(`${id}@${version}`, {
      table: { id, database: schema.schema, name: schema.table, columns, key },
      numeric: new Set(columns.filter(isNumeric).map(({ name }) => name)),
      words: new Map(
        schema.columns
          .filter(({ dataType }) => dataType.elements !== undefined)
          .map(({ name, dataType }) => [name, { isSet: dataType.mysqlType === 'set', words: dataType.elements ?? [] }]),
      ),
    })
  }
}

/** Without one it is of no time. */
function timeOf({ commitTs }: SimpleParts): bigint {
  return BigInt(commitTs)
}

function columnOf({ name, nullable, dataType }: TableSchema['columns'][number]): TableColumn {
  const { mysqlType, length, decimal, unsigned } = dataType
  const digits = length === undefined ? '' : decimal === undefined ? `(${length})` : `(${length},${decimal})`
  const isSized = ['decimal', 'char', 'varchar', 'datetime', 'timestamp'].includes(mysqlType)
  const fraction =
    mysqlType === 'datetime' || mysqlType === 'timestamp' ? (decimal === undefined ? '' : `(${decimal})`) : digits
  const column = mysqlColumn(name, `${mysqlType}${isSized ? fraction : ''}${unsigned === true ? ' unsigned' : ''}`)
  return { ...column, nullable: nullable !== false }
}

/** ENUM counts from one; SET is a bit for each word. */
function wordsOf(
  text: string,
  { isSet, words }: { readonly isSet: boolean; readonly words: readonly string[] },
): string {
  if (!/^\d+$/.test(text)) return text
  if (!isSet) return words[Number(text) - 1] ?? ''
  const bits = BigInt(text)
  return words.filter((_, at) => (bits & (1n << BigInt(at))) !== 0n).join(',')
}

function utcText(stamp: { readonly location?: string; readonly value?: string }): string {
  const { location = '', value = '' } = stamp
  if (location === '' || location === 'UTC' || location === 'Etc/UTC') return value
  throw new BadMessage(`a TIMESTAMP is written in the time zone ${location}: run the TiCDC server with --tz=UTC`)
}
