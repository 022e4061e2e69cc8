import type { NewColumn } from './dialect.ts'

/** Of texts that are a key: what an index of InnoDB takes of four bytes each, with room for other columns. */
const KEY_TEXT = 'VARCHAR(255)'

/** Digits behind the point of a DECIMAL. */
const SCALE_MAX = 30

/** Characters of a text in a key, at most: 3072 bytes of an index. */
const KEY_LENGTH_MAX = 768

/** The type of a new column for values of a type of ours, without loss. */
export function mysqlTypeOf({ type, length }: NewColumn, isKey: boolean): string {
  const lower = type.toLowerCase()
  const fraction = /^timestamp(?:\((\d)\))?$/.exec(lower)
  if (fraction !== null) return `DATETIME(${Math.min(6, Number(fraction[1] ?? 6))})`
  const decimal = /^(?:decimal|numeric)(?:\((\d+)(?:,\s*(\d+))?\))?$/.exec(lower)
  if (decimal !== null && Number(decimal[2] ?? 0) <= SCALE_MAX) {
    return `DECIMAL(${decimal[1] ?? 18},${decimal[2] ?? (decimal[1] === undefined ? 3 : 0)})`
  }
  // Types that only their source knows arrive as texts.
  const found = TYPES.get(lower.replace(/\(.*\)$/, '')) ?? 'LONGTEXT'
  if (isKey && found === 'LONGTEXT') {
    return length === undefined || length > KEY_LENGTH_MAX ? KEY_TEXT : `VARCHAR(${Math.max(1, length)})`
  }
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
