import { MillraceError } from '../../core/errors.ts'
import { isCharacter, isNumeric, metadataBytes, TYPE } from './column-types.ts'
import { PacketFields } from './packet-fields.ts'

/** A column as a table map event describes it; names and the like only with `binlog_row_metadata=FULL`. */
export interface MappedColumn {
  readonly name: string
  /** The real type: enums and sets are told apart from texts. */
  readonly type: number
  /**
   * What the type needs besides: bytes of a text at most, bytes of a length, digits of a second, precision and scale
   * (`precision * 256 + scale`), bits.
   */
  readonly metadata: number
  readonly isNullable: boolean
  readonly isUnsigned: boolean
  /** Number of the collation; 63 is binary. */
  readonly collation: number
  /** Names of an enum or a set, in the column's character set. */
  readonly values: readonly Buffer[]
  readonly isKey: boolean
}

export interface TableMap {
  readonly id: number
  readonly database: string
  readonly table: string
  readonly columns: readonly MappedColumn[]
}

/** The number by which rows events name their table. It is good for one stream of one server only. */
export function tableIdOf(body: Buffer): number {
  return body.readUIntLE(0, 6)
}

/** The table that a map event names, without the rest of it. */
export function mappedNames(body: Buffer): { readonly database: string; readonly table: string } {
  const fields = new PacketFields(body, 8)
  const database = fields.take(fields.uint(1)).toString('utf8')
  fields.at++
  const table = fields.take(fields.uint(1)).toString('utf8')
  return { database, table }
}

/** Optional metadata fields (libs/mysql/binlog/event/rows_event.h, `Optional_metadata_field_type`). */
const META = {
  signedness: 1,
  defaultCharset: 2,
  columnCharset: 3,
  columnName: 4,
  setValues: 5,
  enumValues: 6,
  simpleKey: 8,
  keyWithPrefix: 9,
  enumSetDefaultCharset: 10,
  enumSetColumnCharset: 11,
} as const

/** Reads a table map event. Throws `PREFLIGHT` when it has no names: the server then writes too little about its rows. */
export function parseTableMap(body: Buffer, serverVersion: string): TableMap {
  const { database, table } = mappedNames(body)
  const fields = new PacketFields(body, 8)
  fields.take(fields.uint(1) + 1)
  fields.take(fields.uint(1) + 1)
  const count = fields.length()
  const types = Buffer.from(fields.take(count))
  const metadata = readMetadata(new PacketFields(fields.take(fields.length())), types)
  const nullable = fields.take((count + 7) >> 3)
  const extra = readExtra(fields)
  const signs = signsOf(types, extra.get(META.signedness), () => countsYears(serverVersion, database, table))
  const names = readNames(extra.get(META.columnName))
  if (names.length !== count) throw withoutNames(database, table)
  const indexes = [...types.keys()]
  const texts = indexes.filter(
    (index) => isCharacter(types[index] ?? 0, isMariadb(serverVersion)) && !isChoice(metadata[index]?.type),
  )
  const choices = indexes.filter((index) => isChoice(metadata[index]?.type))
  const collations = new Map([
    ...collationsOf(texts, extra.get(META.defaultCharset), extra.get(META.columnCharset)),
    ...collationsOf(choices, extra.get(META.enumSetDefaultCharset), extra.get(META.enumSetColumnCharset)),
  ])
  const values = choiceValues(metadata, extra)
  const keys = keyColumns(extra)
  return {
    id: tableIdOf(body),
    database,
    table,
    columns: metadata.map((one, index) => ({
      name: names[index] ?? '',
      ...one,
      isNullable: ((nullable[index >> 3] ?? 0) & (1 << (index & 7))) !== 0,
      isUnsigned: signs.has(index),
      collation: collations.get(index) ?? 63,
      values: values.get(index) ?? [],
      isKey: keys.has(index),
    })),
  }
}

function isChoice(type: number | undefined): boolean {
  return type === TYPE.enum || type === TYPE.set
}

function readMetadata(fields: PacketFields, types: Buffer): { type: number; metadata: number }[] {
  return [...types].map((type) => {
    const bytes = metadataBytes(type)
    if (bytes === 0) return { type, metadata: 0 }
    if (bytes === 1) return { type, metadata: fields.uint(1) }
    if (type === TYPE.newdecimal) return { type, metadata: fields.uint(1) * 256 + fields.uint(1) }
    if (type === TYPE.bit) {
      const bits = fields.uint(1)
      return { type, metadata: bits + fields.uint(1) * 8 }
    }
    if (type !== TYPE.string) return { type, metadata: fields.uint(2) }
    return realString(fields.uint(1), fields.uint(1))
  })
}

/** CHAR longer than 255 bytes hides two bits of its length, inverted, in the byte of its real type (sql/field.cc). */
function realString(first: number, second: number): { type: number; metadata: number } {
  if ((first & 0x30) !== 0x30) return { type: first | 0x30, metadata: second | (((first & 0x30) ^ 0x30) << 4) }
  return { type: first, metadata: second }
}

function readExtra(fields: PacketFields): Map<number, Buffer> {
  const extra = new Map<number, Buffer>()
  while (!fields.isAtEnd) {
    const kind = fields.uint(1)
    extra.set(kind, fields.take(fields.length()))
  }
  return extra
}

/** One bit for each numeric column, from the highest of the first byte on; set: unsigned. */
function signsOf(types: Buffer, bits: Buffer | undefined, countsYears: () => boolean): ReadonlySet<number> {
  const unsigned = new Set<number>()
  const hasYears = types.includes(TYPE.year) && countsYears()
  let at = 0
  for (const [index, type] of types.entries()) {
    if (!isNumeric(type, hasYears)) continue
    if (((bits?.[at >> 3] ?? 0) & (0x80 >> (at & 7))) !== 0) unsigned.add(index)
    at++
  }
  return unsigned
}

/**
 * Whether a column of the type YEAR has a bit among the signs. It has in MariaDB, and in MySQL since some version after
 * 8.0.15 and up to 8.0.29 (osheroff/mysql-binlog-connector-java#108); a wrong guess would give other columns a wrong sign.
 */
function countsYears(serverVersion: string, database: string, table: string): boolean {
  if (isMariadb(serverVersion)) return true
  const [major = 0, minor = 0, patch = 0] = serverVersion.split(/[.-]/).map(Number)
  const version = (major * 100 + minor) * 1000 + patch
  if (version >= 800_029) return true
  if (version <= 800_015) return false
  throw new MillraceError(
    `reading changes of ${database}.${table}: it has a column of the type YEAR, and how MySQL ${serverVersion} describes ` +
      'those in its binlog is not known. Upgrade the server to 8.0.29 or newer, or change the type to SMALLINT',
    { code: 'PREFLIGHT', detail: { database, table, serverVersion } },
  )
}

function isMariadb(serverVersion: string): boolean {
  return /mariadb/i.test(serverVersion)
}

function readNames(bytes: Buffer | undefined): string[] {
  const names: string[] = []
  const fields = new PacketFields(bytes ?? Buffer.alloc(0))
  while (!fields.isAtEnd) names.push(fields.text())
  return names
}

/** Either one for all with exceptions, by place among `columns`, or one for each. */
function collationsOf(columns: readonly number[], common?: Buffer, each?: Buffer): [number, number][] {
  if (each !== undefined) {
    const fields = new PacketFields(each)
    return columns.map((column) => [column, fields.length()])
  }
  if (common === undefined) return []
  const fields = new PacketFields(common)
  const usual = fields.length()
  const found = columns.map((column): [number, number] => [column, usual])
  while (!fields.isAtEnd) {
    const place = found[fields.length()]
    const collation = fields.length()
    if (place !== undefined) place[1] = collation
  }
  return found
}

function choiceValues(
  columns: readonly { readonly type: number }[],
  extra: ReadonlyMap<number, Buffer>,
): Map<number, readonly Buffer[]> {
  const enums = new PacketFields(extra.get(META.enumValues) ?? Buffer.alloc(0))
  const sets = new PacketFields(extra.get(META.setValues) ?? Buffer.alloc(0))
  const found = new Map<number, readonly Buffer[]>()
  for (const [index, { type }] of columns.entries()) {
    const fields = type === TYPE.enum ? enums : type === TYPE.set ? sets : undefined
    if (fields === undefined || fields.isAtEnd) continue
    // The event's buffer is used again; the names stay.
    found.set(
      index,
      Array.from({ length: fields.length() }, () => Buffer.from(fields.stringOrNull() ?? Buffer.alloc(0))),
    )
  }
  return found
}

function keyColumns(extra: ReadonlyMap<number, Buffer>): ReadonlySet<number> {
  const keys = new Set<number>()
  const simple = new PacketFields(extra.get(META.simpleKey) ?? Buffer.alloc(0))
  while (!simple.isAtEnd) keys.add(simple.length())
  const prefixed = new PacketFields(extra.get(META.keyWithPrefix) ?? Buffer.alloc(0))
  while (!prefixed.isAtEnd) {
    keys.add(prefixed.length())
    prefixed.length()
  }
  return keys
}

function withoutNames(database: string, table: string): MillraceError {
  return new MillraceError(
    `reading changes of ${database}.${table}: the server writes no column names into its binlog. ` +
      'SET GLOBAL binlog_row_metadata = FULL (MySQL 8.0 and MariaDB 10.5 or newer), then begin a new snapshot',
    { code: 'PREFLIGHT', detail: { database, table } },
  )
}
