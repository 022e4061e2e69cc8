import type { Schema } from '../../core/schema.ts'
import type { DebeziumColumn, ValueText } from './debezium-columns.ts'
import { dateText, decimalText, timestampText, timeText } from './value-text.ts'

const WHOLE = /^-?\d+$/
const NUMERIC = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/**
 * Columns as the pipeline declares them, for messages without a schema. Numbers in columns of time count as Debezium
 * counts them by default (time.precision.mode=adaptive): dates in days, up to three digits of a second in milliseconds,
 * more in microseconds.
 */
export function declaredColumns(schema: Schema): DebeziumColumn[] {
  return schema
    .filter(({ name }) => !name.startsWith('__'))
    .map((column) => {
      const convert = convertFor(column.type)
      return convert === undefined ? column : { ...column, convert }
    })
}

function convertFor(type: string): ValueText | undefined {
  const [, name = '', inside = ''] = /^([a-z]+)[^(]*(?:\(([^)]*)\))?/.exec(type.toLowerCase()) ?? []
  if (name === 'date') return (text) => (WHOLE.test(text) ? `"${dateText(Number(text))}"` : JSON.stringify(text))
  if (name === 'timestamp' || name === 'datetime' || name === 'timestamptz') {
    const perMicro = inside !== '' && Number(inside) <= 3 ? 1000n : 1n
    return (text) =>
      WHOLE.test(text) ? `"${timestampText(BigInt(text) * perMicro)}"` : JSON.stringify(plainTime(text))
  }
  if (name === 'time') return (text) => (WHOLE.test(text) ? `"${timeText(Number(text))}"` : JSON.stringify(text))
  if (name === 'decimal' || name === 'numeric') {
    const scale = Number(inside.split(',')[1] ?? 0)
    return (text) => (NUMERIC.test(text) ? `"${text}"` : `"${decimalText(Buffer.from(text, 'base64'), scale)}"`)
  }
  return undefined
}

/** `2024-01-02T03:04:05Z` as our timestamps are written. */
function plainTime(text: string): string {
  return text.replace(/^(\d{4,}-\d\d-\d\d)T(.*?)Z?$/, '$1 $2')
}
