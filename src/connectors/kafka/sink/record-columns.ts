import type { Finding } from '../../../core/checkpoint-types.ts'
import type { Schema } from '../../../core/schema.ts'
import { quoteName } from '../../../dataplane/sql-text.ts'
import { parseColumnType, type Column, type ColumnType } from '../../../dataplane/types.ts'
import { jsonRowSql } from '../../../dataplane/output.ts'
import { cellsSql } from '../../../formats/binary-rows/cells.ts'
import { debeziumColumns, debeziumSql, debeziumTable } from './debezium-sql.ts'
import { isBinary, type KafkaSinkOptions } from './options.ts'

/** Says that a row is a deletion, where rows are changes: 1 deletes, 0 does not. */
const CHANGE = '__op'

/** Whether records are made of columns. Otherwise they are values and nothing else, as they came. */
export function readsColumns(options: KafkaSinkOptions): boolean {
  const { value, key, partition, headers, timestamp, format } = options
  const isMade = format !== 'json' && format !== 'raw'
  return isMade || [value, key, partition, headers, timestamp].some((option) => option !== undefined)
}

/** The parts of a record as SQL over the rows; NULL where a record has none, and `undefined` where none has. */
interface RecordSql {
  readonly value: string
  /** What the value is made of. */
  readonly valueColumns: readonly Column[]
  readonly key: string | undefined
  readonly isValueHex: boolean
  readonly isKeyHex: boolean
  /** A number. */
  readonly partition: string | undefined
  /** Text. */
  readonly headers: string | undefined
  /** Milliseconds since 1970. */
  readonly timestamp: string | undefined
}

/**
 * The parts of a record as SQL, or what is wrong with the options over these columns. `cells` are the columns of a binary
 * value in the order that its format wants.
 */
export function recordSql(
  options: KafkaSinkOptions,
  schema: Schema,
  cells?: readonly Column[],
): RecordSql | readonly Finding[] {
  const columns: Column[] = schema.map(({ name, type, nullable }) => ({ name, type: parseColumnType(type), nullable }))
  const byName = new Map(columns.map((column) => [column.name, column]))
  const findings = findingsOf(options, byName)
  if (findings.length > 0) return findings
  const chosen = (names: readonly string[]): Column[] => names.flatMap((name) => byName.get(name) ?? [])
  const { format, key, partition, headers, timestamp, topic } = options
  // Changes of rows with a key: a deletion is a record without a value, and the column itself says nothing else.
  const isDebezium = format === 'debezium-json'
  const isChange = key !== undefined && byName.has(CHANGE) && !isDebezium
  const rest = isDebezium ? debeziumColumns(columns) : columns.filter(({ name }) => !isChange || name !== CHANGE)
  const valueColumns = options.value === undefined ? rest : chosen(options.value)
  const [only] = valueColumns
  const isRaw = format === 'raw' && only !== undefined
  const value = isRaw
    ? textSql(only)
    : isDebezium
      ? debeziumSql(valueColumns, byName, debeziumTable(options.table, topic))
      : isBinary(options)
        ? cellsSql(cells ?? valueColumns)
        : jsonRowSql(valueColumns)
  const keyColumns = chosen(key ?? [])
  const [onlyKey] = keyColumns
  // Debezium's keys are always objects.
  const isPlainKey = keyColumns.length === 1 && !isDebezium
  return {
    value: isChange ? `CASE WHEN ${quoteName(CHANGE)} = 1 THEN NULL ELSE ${value} END` : value,
    valueColumns,
    isValueHex: isRaw && only.type.kind === 'blob',
    key: onlyKey === undefined ? undefined : isPlainKey ? textSql(onlyKey) : jsonRowSql(keyColumns),
    isKeyHex: isPlainKey && onlyKey?.type.kind === 'blob',
    partition: partition === undefined ? undefined : quoteName(partition),
    headers: headers === undefined ? undefined : `CAST(${quoteName(headers)} AS VARCHAR)`,
    timestamp: timestamp === undefined ? undefined : `epoch_ms(${quoteName(timestamp)})`,
  }
}

/**
 * One line for each row: `partition timestamp keyBytes headerBytes valueBytes `, those of them that records have, then key,
 * headers and value without anything between. A number is `-` where there is nothing, so that every value may hold every byte.
 */
export function linesSql(sql: RecordSql, relation: string): string {
  const { partition, timestamp, key, headers, value } = sql
  const numbers = { p: partition, t: timestamp }
  const texts = { k: key, h: headers, v: value }
  const given = (parts: Readonly<Record<string, string | undefined>>): string[] =>
    Object.keys(parts).filter((name) => parts[name] !== undefined)
  const head = [...given(numbers), ...given(texts).map((name) => `strlen(${name})`)]
  const line = [...head.map((number) => `coalesce(CAST(${number} AS VARCHAR), '-'), ' '`), ...given(texts)]
  const all: Readonly<Record<string, string | undefined>> = { ...numbers, ...texts }
  const parts = given(all).map((name) => `${all[name]} AS ${name}`)
  return `SELECT concat(${line.join(', ')}) AS line FROM (SELECT ${parts.join(', ')} FROM ${quoteName(relation)})`
}

function findingsOf(options: KafkaSinkOptions, columns: ReadonlyMap<string, Column>): Finding[] {
  const { value = [], key = [], partition, headers, timestamp } = options
  const named: (readonly [option: string, name: string, kinds?: readonly ColumnType['kind'][]])[] = [
    ...value.map((name) => ['value', name] as const),
    ...key.map((name) => ['key', name] as const),
    ...(partition === undefined ? [] : [['partition', partition, ['integer']] as const]),
    ...(headers === undefined ? [] : [['headers', headers, ['varchar', 'json']] as const]),
    ...(timestamp === undefined ? [] : [['timestamp', timestamp, ['timestamp', 'timestamptz']] as const]),
  ]
  const findings = named.flatMap(([option, name, kinds]): Finding[] => {
    const column = columns.get(name)
    if (column === undefined) return [schemaError(option, `there is no column ${JSON.stringify(name)}`)]
    if (kinds === undefined || kinds.includes(column.type.kind)) return []
    return [schemaError(option, `the column ${JSON.stringify(name)} is ${column.type.kind}, not ${kinds.join(' or ')}`)]
  })
  if (options.format === 'raw' && options.value === undefined)
    findings.push(schemaError('value', 'records of rows need the column that is their value', 'Name it in `value`.'))
  return findings
}

function schemaError(
  option: string,
  message: string,
  hint = 'Change the SQL before the sink, or the option.',
): Finding {
  return { severity: 'error', code: 'SCHEMA', message, hint, path: [option] }
}

/** Bytes that need not be text travel as hexadecimal digits. */
function textSql({ name, type }: Column): string {
  return type.kind === 'blob' ? `hex(${quoteName(name)})` : `CAST(${quoteName(name)} AS VARCHAR)`
}
