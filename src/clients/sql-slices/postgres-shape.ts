import { MillraceError } from '../../core/errors.ts'
import type { SliceSession, TableAsk, TextRow } from './dialect.ts'
import { POSTGRES_TEXT } from './postgres-text.ts'
import type { CellKind, KeyColumn, KeyKind, SliceColumn, TableShape } from './table-shape.ts'

/** One attribute of a table. */
interface Attribute {
  readonly number: string
  readonly name: string
  /** As `format_type` writes it, of the base type where it is a domain. */
  readonly type: string
  readonly isArray: boolean
  readonly isNotNull: boolean
  readonly defaultText: string
  readonly sequenceCache: number | undefined
}

/** Reads what a table looks like from the catalogs. */
export async function postgresShape(session: SliceSession, ask: TableAsk): Promise<TableShape> {
  const { tableSql, text } = POSTGRES_TEXT
  const name = text(tableSql(ask.table))
  const [found] = await session.rows(
    `SELECT c.oid::text, greatest(c.reltuples, 0)::bigint::text FROM pg_class c WHERE c.oid = to_regclass(${name})`,
  )
  if (found === undefined)
    throw unknown(`there is no table ${ask.table}`, 'Is it in another schema? Write schema.table.')
  const [oid = '0', rows] = found
  const attributes = (await session.rows(attributesSql(oid ?? '0'))).map(attributeOf)
  const indexes = await session.rows(INDEXES.replace('$oid', oid ?? '0'))
  const byName = new Map(attributes.map((attribute) => [attribute.name, attribute]))
  const wanted = (ask.columns ?? attributes.map(({ name }) => name)).map((column) => pick(byName, column, ask))
  const key = ask.column.map((column) => pick(byName, column, ask))
  const uniques = indexes.filter(([, isUnique]) => isUnique === 'true').map(([columns]) => numbersOf(columns))
  const covers = (): boolean =>
    uniques.some((columns) => columns.every((one) => key.some(({ number }) => number === one)))
  const primary = indexes.find(([, , isPrimary]) => isPrimary === 'true')
  if (!covers() && primary !== undefined) {
    const missing = numbersOf(primary[0]).filter((one) => !key.some(({ number }) => number === one))
    key.push(...missing.flatMap((one) => attributes.filter(({ number }) => number === one)))
  }
  const leading = key.slice(0, ask.column.length).map(({ number }) => number)
  return {
    table: ask.table,
    columns: wanted.map(columnOf),
    key: key.map(keyColumnOf),
    isUnique: covers(),
    isIndexed: indexes.some(([columns]) => leading.every((one, index) => numbersOf(columns)[index] === one)),
    rowsEstimate: Number(rows ?? 0),
  }
}

function attributesSql(oid: string): string {
  return `SELECT a.attnum::text, a.attname,
  CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END,
  (t.typcategory = 'A')::text, (a.attnotnull OR t.typnotnull)::text,
  coalesce(CASE WHEN a.attidentity <> '' THEN 'identity' ELSE pg_get_expr(d.adbin, d.adrelid) END, ''),
  (SELECT s.seqcache::text FROM pg_depend p JOIN pg_sequence s ON s.seqrelid = p.objid
    WHERE p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.classid = 'pg_class'::regclass
      AND p.deptype IN ('a', 'i') AND s.seqincrement > 0 AND NOT s.seqcycle LIMIT 1)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`
}

/** Indexes over columns that hold for all rows. */
const INDEXES = `SELECT array_to_string(i.indkey[0:i.indnkeyatts - 1], ' '),
  (i.indisunique AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull))::text,
  i.indisprimary::text
FROM pg_index i WHERE i.indrelid = $oid AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL`

function attributeOf([number, name, type, isArray, isNotNull, defaultText, cache]: TextRow): Attribute {
  return {
    number: number ?? '',
    name: name ?? '',
    type: type ?? '',
    isArray: isArray === 'true',
    isNotNull: isNotNull === 'true',
    defaultText: defaultText ?? '',
    sequenceCache: cache === null || cache === undefined ? undefined : Number(cache),
  }
}

function numbersOf(columns: string | null | undefined): string[] {
  return (columns ?? '').split(' ')
}

function pick(byName: ReadonlyMap<string, Attribute>, column: string, { table }: TableAsk): Attribute {
  const found = byName.get(column)
  if (found !== undefined) return found
  throw unknown(`the table ${table} has no column ${column}`, `It has ${[...byName.keys()].join(', ')}.`)
}

function unknown(what: string, hint: string): MillraceError {
  return new MillraceError(`${what}. ${hint}`, { code: 'CONFIG' })
}

function columnOf({ name, type, isArray, isNotNull }: Attribute): SliceColumn {
  const quoted = POSTGRES_TEXT.quote(name)
  const [ours, cell, sql = quoted] = isArray ? (['json', 'json', `to_json(${quoted})`] as const) : carried(type, quoted)
  return { name, sql, type: ours, nullable: !isNotNull, cell }
}

/** The type of rows, the form of values, and the expression where the column itself will not do. */
function carried(type: string, quoted: string): readonly [type: string, cell: CellKind, sql?: string] {
  const plain = PLAIN[type]
  if (plain !== undefined) return plain
  const numeric = /^numeric\((\d+),(-?\d+)\)$/.exec(type)
  if (numeric !== null) {
    const [, precision = 0, scale = 0] = numeric.map(Number)
    const isCarried = precision <= 38 && scale >= 0 && scale <= precision
    return isCarried ? [`decimal(${precision},${scale})`, 'number'] : ['varchar', 'text']
  }
  const zoneless = /^timestamp(?:\((\d)\))? without time zone$/.exec(type)
  if (zoneless !== null) return [`timestamp(${zoneless[1] ?? 6})`, 'moment']
  const zoned = /^timestamp(?:\((\d)\))? with time zone$/.exec(type)
  if (zoned !== null) return [`timestamp(${zoned[1] ?? 6})`, 'moment', `(${quoted} AT TIME ZONE 'UTC')`]
  if (/^time(?:\(\d\))? without time zone$/.test(type)) return ['time', 'moment']
  return ['varchar', 'text']
}

const PLAIN: Readonly<Record<string, readonly [type: string, cell: CellKind]>> = {
  smallint: ['smallint', 'number'],
  integer: ['integer', 'number'],
  bigint: ['bigint', 'number'],
  oid: ['bigint', 'number'],
  xid8: ['ubigint', 'number'],
  real: ['float', 'number'],
  'double precision': ['double', 'number'],
  boolean: ['boolean', 'boolean'],
  date: ['date', 'moment'],
  uuid: ['uuid', 'text'],
  bytea: ['blob', 'bytes'],
  json: ['json', 'json'],
  jsonb: ['json', 'json'],
}

function keyColumnOf(attribute: Attribute): KeyColumn {
  const { name, type, isNotNull } = attribute
  const kind = kindOf(type, name)
  const doubt = doubtOf(attribute, kind)
  return {
    name,
    nativeType: type,
    kind,
    nullable: !isNotNull,
    isAssigned: doubt === undefined,
    ...(doubt === undefined ? {} : { doubt }),
  }
}

function kindOf(type: string, column: string): KeyKind {
  if (type === 'smallint' || type === 'integer' || type === 'bigint') return 'integer'
  if (type === 'date' || type.startsWith('timestamp')) return 'moment'
  if (type === 'xid8') return 'transaction'
  if (/^(?:real|double precision|json|jsonb|xml|point|box)$/.test(type)) {
    throw unknown(`the column ${column} is a ${type}`, 'Slices need a column whose values have an exact order.')
  }
  return 'other'
}

/** What keeps values from being taken one after the other by the server inside of the writing statement. */
function doubtOf({ defaultText, sequenceCache }: Attribute, kind: KeyKind): string | undefined {
  if (kind === 'transaction') {
    return /pg_current_xact_id\(\)/.test(defaultText) ? undefined : 'its default is not pg_current_xact_id()'
  }
  if (kind === 'moment') {
    const isClock =
      /now\(\)|CURRENT_TIMESTAMP|LOCALTIMESTAMP|CURRENT_DATE|(?:clock|statement|transaction)_timestamp\(\)/i
    return isClock.test(defaultText) ? undefined : 'its default is not the time of the server'
  }
  if (kind === 'other') return 'a value of its type may come from anywhere'
  if (sequenceCache === undefined) return 'it has no sequence of its own'
  return sequenceCache === 1 ? undefined : `its sequence has CACHE ${sequenceCache}: sessions keep numbers for later`
}
