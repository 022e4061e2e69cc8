import { MillraceError } from '../../core/errors.ts'

/** Of texts that are a key: what an index of InnoDB takes of four bytes each, with room for other columns. */
const KEY_TEXT = 'VARCHAR(255)'

/** Digits behind the point of a DECIMAL. */
const SCALE_MAX = 30

/** The type of a new column for values of a type of ours, without loss. */
export function mysqlTypeOf(type: string, isKey: boolean): string {
  const lower = type.toLowerCase()
  const fraction = /^timestamp(?:\((\d)\))?$/.exec(lower)
  if (fraction !== null) return `DATETIME(${Math.min(6, Number(fraction[1] ?? 6))})`
  const decimal = /^(?:decimal|numeric)(?:\((\d+)(?:,\s*(\d+))?\))?$/.exec(lower)
  if (decimal !== null && Number(decimal[2] ?? 0) <= SCALE_MAX) {
    return `DECIMAL(${decimal[1] ?? 18},${decimal[2] ?? (decimal[1] === undefined ? 3 : 0)})`
  }
  const found = TYPES.get(lower.replace(/\(.*\)$/, ''))
  if (found === undefined) {
    throw new MillraceError(`creating a table: there is no type for ${type}; create the table by hand`, {
      code: 'CONFIG',
    })
  }
  if (isKey && found === 'LONGTEXT') return KEY_TEXT
  if (isKey && found === 'LONGBLOB') return 'VARBINARY(255)'
  return found
}

const TYPES: ReadonlyMap<string, string> = new Map([
  ['boolean', 'BOOLEAN'],
  ['tinyint', 'TINYINT'],
  ['smallint', 'SMALLINT'],
  ['integer', 'INT'],
  ['int', 'INT'],
  ['bigint', 'BIGINT'],
  ['hugeint', 'DECIMAL(39,0)'],
  ['utinyint', 'TINYINT UNSIGNED'],
  ['usmallint', 'SMALLINT UNSIGNED'],
  ['uinteger', 'INT UNSIGNED'],
  ['ubigint', 'BIGINT UNSIGNED'],
  ['uhugeint', 'DECIMAL(39,0)'],
  ['float', 'FLOAT'],
  ['double', 'DOUBLE'],
  ['varchar', 'LONGTEXT'],
  ['text', 'LONGTEXT'],
  ['string', 'LONGTEXT'],
  ['json', 'JSON'],
  ['blob', 'LONGBLOB'],
  ['uuid', 'CHAR(36)'],
  ['date', 'DATE'],
  ['time', 'TIME(6)'],
  ['timestamp_s', 'DATETIME'],
  ['timestamp_ms', 'DATETIME(3)'],
  ['timestamp_ns', 'DATETIME(6)'],
  ['timestamptz', 'DATETIME(6)'],
  ['timestamp with time zone', 'DATETIME(6)'],
])
