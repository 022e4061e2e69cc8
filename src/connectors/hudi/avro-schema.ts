import type { Finding } from '../../core/checkpoint-types.ts'
import type { Column, Schema } from '../../core/schema.ts'
import { type ColumnType, type IntegerName, parseColumnType, quoteName } from '../../dataplane/index.ts'
import type { PartitionColumn } from './partition-columns.ts'

/** How a column is stored: its Avro type in the commit, and the SQL that makes the value the Parquet file needs. */
export interface StoredColumn {
  readonly name: string
  readonly avro: object | string
  /** DuckDB SQL over the quoted column. */
  readonly sql: string
  /** Row-wise SQL over the incoming rows that makes the column, where they do not have it. */
  readonly computed?: string
}

interface StoredType {
  readonly avro: (place: string) => object | string
  readonly sql: (column: string) => string
}

/**
 * The column types that every Hudi reader reads and every Java writer copies without harm when DuckDB writes the
 * Parquet. The traps, all observed with Spark and Hudi 0.15.0 and 1.2.0:
 * - decimals of up to 18 digits, which DuckDB stores as integers, come back multiplied by 10^scale after a Java merge;
 *   so every decimal becomes DECIMAL(38,s), which is stored as 16 fixed bytes;
 * - 8- and 16-bit integers and TIME cannot be read; timestamps without a zone cannot be read by 0.15.0.
 */
function storedType(type: ColumnType): StoredType | undefined {
  switch (type.kind) {
    case 'integer':
      return INTEGERS[type.name]
    case 'decimal':
      return decimal(type.scale)
    case 'boolean':
    case 'float':
    case 'double':
      return plain(type.kind)
    case 'varchar':
      return plain('string')
    case 'blob':
      return plain('bytes')
    case 'json':
    case 'uuid':
    case 'time':
      return cast('string', 'VARCHAR')
    case 'date':
      return plain({ type: 'int', logicalType: 'date' })
    case 'timestamptz':
      return plain(MICROS)
    case 'timestamp':
      // Nanoseconds would have to be cut off.
      return type.precision <= 6 ? zoned() : undefined
  }
}

const MICROS = { type: 'long', logicalType: 'timestamp-micros' }

const INTEGERS: Readonly<Record<IntegerName, StoredType | undefined>> = {
  tinyint: cast('int', 'INTEGER'),
  smallint: cast('int', 'INTEGER'),
  utinyint: cast('int', 'INTEGER'),
  usmallint: cast('int', 'INTEGER'),
  integer: plain('int'),
  uinteger: cast('long', 'BIGINT'),
  bigint: plain('long'),
  ubigint: decimal(0),
  hugeint: decimal(0),
  uhugeint: undefined,
}

export interface StoredSchema {
  readonly columns: readonly StoredColumn[]
  /** The Avro schema of the table, without meta columns, as JSON text. */
  readonly avro: string
}

/**
 * The stored form of a schema, or findings about columns that Hudi cannot hold. Names follow what Spark writes, because
 * Hudi 0.15 compares them: record `<table>_record` in `hoodie.<table>`, fixed types in a namespace for each column.
 * Partition columns that are computed come last, as text: every reader then finds in the rows what the directory says.
 */
export function storedSchema(
  table: string,
  schema: Schema,
  partitionBy: readonly PartitionColumn[] = [],
): StoredSchema | { readonly findings: readonly Finding[] } {
  const computed = partitionBy.filter(({ expression }) => expression !== undefined)
  const findings = [...nameFindings([...schema, ...computed])]
  const columns: StoredColumn[] = []
  for (const column of schema) {
    const type = parse(column.type)
    const stored = type === undefined ? undefined : storedType(type)
    if (stored === undefined) findings.push(typeFinding(column))
    else {
      const place = `hoodie.${table}.${table}_record.${column.name}`
      columns.push({ name: column.name, avro: stored.avro(place), sql: stored.sql(quoteName(column.name)) })
    }
  }
  if (findings.length > 0) return { findings }
  for (const { name, expression } of computed) {
    columns.push({ name, avro: 'string', sql: quoteName(name), computed: `CAST((${expression}\n) AS VARCHAR)` })
  }
  return { columns, avro: recordSchema(table, columns) }
}

/** Every field may be null: Hudi lets a table only grow by columns that may be null. */
function recordSchema(table: string, columns: readonly StoredColumn[]): string {
  const fields = columns.map(({ name, avro }) => ({ name, type: ['null', avro], default: null }))
  return JSON.stringify({ type: 'record', name: `${table}_record`, namespace: `hoodie.${table}`, fields })
}

function parse(text: string): ColumnType | undefined {
  try {
    return parseColumnType(text)
  } catch {
    return undefined
  }
}

function plain(avro: object | string): StoredType {
  return { avro: () => avro, sql: (column) => column }
}

function cast(avro: string, type: string): StoredType {
  return { avro: () => avro, sql: (column) => `CAST(${column} AS ${type})` }
}

/**
 * A timestamp without a zone means UTC, whatever the session's zone is. `AT TIME ZONE` asks a calendar for every value,
 * 100 ns; the number costs a tenth, but infinity has none: `epoch_us` gives NULL. `CASE WHEN isfinite` costs 50 ns more.
 */
function zoned(): StoredType {
  return {
    avro: () => MICROS,
    sql: (column) => {
      const moment = `CAST(${column} AS TIMESTAMP)`
      return `coalesce(make_timestamptz(epoch_us(${moment})), ${moment} AT TIME ZONE 'UTC')`
    },
  }
}

function decimal(scale: number): StoredType {
  return {
    avro: (place) => ({
      type: 'fixed',
      name: 'fixed',
      namespace: place,
      size: 16,
      logicalType: 'decimal',
      precision: 38,
      scale,
    }),
    sql: (column) => `CAST(${column} AS DECIMAL(38,${scale}))`,
  }
}

function* nameFindings(columns: readonly Pick<Column, 'name'>[]): Generator<Finding> {
  const seen = new Set<string>()
  for (const { name } of columns) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      yield finding(`column ${JSON.stringify(name)} cannot be a column of a Hudi table`, NAME_HINT)
    } else if (name.toLowerCase().startsWith('_hoodie_')) {
      yield finding(`column ${name}: names that begin with _hoodie_ belong to Hudi`, 'Give it another name.')
    } else if (seen.has(name.toLowerCase())) {
      yield finding(`column ${name} is there twice (case does not count)`, 'Give one of them another name.')
    }
    seen.add(name.toLowerCase())
  }
}

const NAME_HINT = 'Rename it in a transform: a letter or underscore, then letters, digits and underscores.'

function typeFinding({ name, type }: Column): Finding {
  const hint = /^(timestamp_ns|time)/i.test(type)
    ? `Cast it in a transform, for example CAST(${name} AS TIMESTAMP).`
    : `Convert it in a transform, for example to_json(${name})::VARCHAR.`
  return finding(`column ${name}: the type ${type} cannot be stored in a Hudi table`, hint)
}

function finding(message: string, hint: string): Finding {
  return { severity: 'error', code: 'SCHEMA', message, hint }
}
