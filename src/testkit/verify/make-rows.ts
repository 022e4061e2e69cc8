import { randomUUID } from 'node:crypto'
import { OP_COLUMN } from '../../core/changes.ts'
import type { Schema } from '../../core/schema.ts'
import { parseColumnType, type ColumnType } from '../../dataplane/types.ts'
import { Random } from '../simulator/random.ts'

const NULLS = 0.05
const WORDS = ['plain', 'with "quotes"', 'naïve café', '数据', '🚚', "it's", 'back\\slash']

/** Rows before they are written: each cell is JSON text. */
export interface MadeRows {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/**
 * Rows of a schema, with the values that break things in them. The same seed makes the same rows. With a column `__op`
 * they are changes, two and two of one key: a row and its later version, or a row and its deletion.
 */
export function makeRows(schema: Schema | undefined, count: number, seed: number, keys: ReadonlySet<string>): MadeRows {
  const random = new Random(seed)
  const isChanging = schema?.some(({ name }) => name === OP_COLUMN) === true
  const columns = (schema ?? UNDESCRIBED).map((column) => {
    const { name, nullable } = column
    const told = ofChange(name, isChanging)
    if (told !== undefined) return told
    const make = maker(parseColumnType(column.type), random)
    const cell = (row: number): string => (nullable && random.chance(NULLS) ? 'null' : make(row))
    return isChanging && keys.has(name) ? ofPairs(cell) : cell
  })
  const rows = Array.from({ length: count }, (_, row) => columns.map((cell) => cell(row)))
  return { columns: (schema ?? UNDESCRIBED).map(({ name }) => name), rows }
}

const UNDESCRIBED: Schema = [
  { name: 'n', type: 'bigint', nullable: false },
  { name: 'text', type: 'varchar', nullable: false },
]

/** Both rows of a pair have the same. */
function ofPairs(make: (row: number) => string): (row: number) => string {
  let last = ''
  return (row) => (last = row % 2 === 0 ? make(row) : last)
}

/** What sources tell of a row beside its columns is never NULL, and has to make sense to the SQL that looks at it. */
function ofChange(name: string, isChanging: boolean): ((row: number) => string) | undefined {
  const isDeleted = (row: number): boolean => row % 4 === 3
  if (name === '_change') return () => '"insert"'
  if (name === '_headers' || name === '_tags') return () => '"{}"'
  if (!isChanging) return undefined
  if (name === OP_COLUMN) return (row) => (isDeleted(row) ? '1' : '0')
  if (name === '_op') return (row) => (isDeleted(row) ? '"d"' : row % 2 === 1 ? '"u"' : '"c"')
  if (name === '_position') return (row) => JSON.stringify(String(row).padStart(20, '0'))
  return undefined
}

/** Makes one value as JSON text. */
function maker(type: ColumnType, random: Random): (row: number) => string {
  const digits = (count: number): string => Array.from({ length: count }, () => random.between(0, 9)).join('')
  const day = (): string => new Date(Date.UTC(2020, 0, random.between(1, 2500))).toISOString().slice(0, 10)
  const time = (): string => `${two(random, 23)}:${two(random, 59)}:${two(random, 59)}`
  switch (type.kind) {
    case 'integer':
      return (row) => String(/^(u?tinyint)$/.test(type.name) ? row % 100 : row)
    case 'decimal':
      return () => {
        const whole = BigInt(`${digits(Math.min(9, type.precision - type.scale)) || '0'}`)
        const sign = random.chance(0.3) ? '-' : ''
        return JSON.stringify(`${sign}${whole}${type.scale === 0 ? '' : `.${digits(type.scale)}`}`)
      }
    case 'timestamp': {
      const precision = Math.min(6, type.precision)
      return () => JSON.stringify(`${day()} ${time()}${precision === 0 ? '' : `.${digits(precision)}`}`)
    }
    case 'timestamptz':
      return () => JSON.stringify(`${day()} ${time()}.${digits(6)}+00:00`)
    case 'boolean':
      return () => String(random.chance(0.5))
    case 'float':
    case 'double':
      return () => String(random.between(-4000, 4000) / 8)
    case 'date':
      return () => JSON.stringify(day())
    case 'time':
      return () => JSON.stringify(time())
    case 'uuid':
      return () => JSON.stringify(randomUUID())
    case 'json':
      return (row) => JSON.stringify({ row, word: random.pick(WORDS) })
    case 'blob':
      return (row) => JSON.stringify(Buffer.from(`row ${row}`).toString('base64'))
    default:
      return (row) => JSON.stringify(`${random.pick(WORDS)} ${row}`)
  }
}

function two(random: Random, max: number): string {
  return String(random.between(0, max)).padStart(2, '0')
}
