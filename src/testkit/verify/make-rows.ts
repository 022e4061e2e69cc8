import { randomUUID } from 'node:crypto'
import type { Schema } from '../../core/schema.ts'
import { parseColumnType, type ColumnType } from '../../dataplane/types.ts'
import { Random } from '../simulator/random.ts'

const NULLS = 0.05
const WORDS = ['plain', 'with "quotes"', 'naïve café', '数据', '🚚', "it's", 'back\\slash']

/** Rows of a schema as NDJSON lines, with the values that break things in them. The same seed makes the same rows. */
export function makeRows(schema: Schema | undefined, count: number, seed: number): string[] {
  const random = new Random(seed)
  const columns = schema?.map(({ name, type, nullable }) => ({
    name,
    nullable,
    make: maker(parseColumnType(type), random),
  }))
  return Array.from({ length: count }, (_, row) => {
    if (columns === undefined) return JSON.stringify({ n: row, text: `${random.pick(WORDS)} ${row}` })
    const fields = columns.map(({ name, nullable, make }) => {
      const value = nullable && random.chance(NULLS) ? 'null' : make(row)
      return `${JSON.stringify(name)}:${value}`
    })
    return `{${fields.join(',')}}`
  })
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
      return (row) => JSON.stringify(Buffer.from(`row ${row}`).toString('hex'))
    default:
      return (row) => JSON.stringify(`${random.pick(WORDS)} ${row}`)
  }
}

function two(random: Random, max: number): string {
  return String(random.between(0, max)).padStart(2, '0')
}
