import type { TableColumn } from '../../core/changes.ts'

const TYPES: Readonly<Record<string, string>> = {
  tinyint: 'tinyint',
  smallint: 'smallint',
  mediumint: 'integer',
  int: 'integer',
  integer: 'integer',
  bigint: 'bigint',
  float: 'float',
  double: 'double',
  real: 'double',
  date: 'date',
  year: 'integer',
  time: 'time',
  json: 'json',
  bit: 'ubigint',
  bool: 'boolean',
  boolean: 'boolean',
}
const BINARY = new Set(['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'])

/** A column from MySQL's own text for its type, as Canal and TiCDC send it: `bigint unsigned`, `varchar(20)`. */
export function mysqlColumn(name: string, native: string): TableColumn {
  const text = native.toLowerCase()
  const [, word = '', inside = ''] = /^\s*([a-z]+)\s*(?:\(([^)]*)\))?/.exec(text) ?? []
  const found = { name, nullable: true, native }
  const plain = TYPES[word]
  if (plain !== undefined) {
    const isUnsigned = text.includes('unsigned') && word !== 'float' && word !== 'double'
    return { ...found, type: isUnsigned && !plain.startsWith('u') ? `u${plain}` : plain }
  }
  if (word === 'decimal' || word === 'numeric') {
    // Without its digits, as TiCDC sends it: MySQL has at most 65, which no decimal of a target holds.
    const [precision = 38, scale = 0] = inside === '' ? [] : inside.split(',').map(Number)
    return { ...found, type: inside === '' || precision > 38 ? 'varchar' : `decimal(${precision},${scale})` }
  }
  if (word === 'datetime') return { ...found, type: inside === '' ? 'timestamp' : `timestamp(${inside})` }
  if (word === 'timestamp') return { ...found, type: 'timestamp' }
  if (BINARY.has(word)) return { ...found, type: 'blob' }
  const length = word === 'char' || word === 'varchar' ? Number(inside) : 0
  return { ...found, type: 'varchar', ...(length > 0 ? { length } : {}) }
}

/** True for columns whose values are numbers, which messages may write as text. */
export function isNumeric({ type }: TableColumn): boolean {
  return /^(u?(tiny|small|big)int|u?integer|float|double)/.test(type)
}

export function isBinary({ type }: TableColumn): boolean {
  return type === 'blob'
}
