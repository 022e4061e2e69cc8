import { quoteText } from '../sql-text.ts'
import { duckType, INTEGER_RANGES, parseColumnType, type ColumnType } from '../types.ts'

/** Raised inside a query by `error()`; what follows is the name of the column and what is wrong with its value. */
export const NOT_EXACT = 'millrace-not-exact:'

/**
 * SQL that gives a value of DuckDB's type `given` as the wanted type, without loss; `undefined` when some values of the
 * one are none of the other. `name` is for the message about a value.
 */
export function exactCast(value: string, given: string, wanted: ColumnType, name: string): string | undefined {
  const type = duckType(wanted)
  if (given === type) return value
  if (wanted.kind === 'timestamp' && /^TIMESTAMP(_S|_MS|_NS)?$/.test(given)) {
    // Parquet's milliseconds arrive as microseconds, so each value is looked at, not the type.
    const cast = `CAST(${value} AS ${type})`
    const isExact = `${value} IS NULL OR CAST(${cast} AS ${given}) = ${value}`
    const message = `${NOT_EXACT}${name} has more digits of a second than the schema’s type`
    return `CASE WHEN ${isExact} THEN ${cast} ELSE error(${quoteText(message)}) END`
  }
  return isLossless(given, wanted) ? `CAST(${value} AS ${type})` : undefined
}

/** Every value of the given type is one of the wanted type. */
function isLossless(type: string, wanted: ColumnType): boolean {
  if (wanted.kind === 'json') return type === 'VARCHAR'
  const given = /^[A-Z0-9_ ]+(\(\d+,\s*\d+\))?$/.test(type) ? parseOrNothing(type) : undefined
  if (given === undefined) return false
  if (given.kind === 'integer' && wanted.kind === 'integer') {
    const [least, greatest] = INTEGER_RANGES[wanted.name]
    return INTEGER_RANGES[given.name][0] >= least && INTEGER_RANGES[given.name][1] <= greatest
  }
  if (given.kind === 'decimal' && wanted.kind === 'decimal') {
    return given.scale <= wanted.scale && given.precision - given.scale <= wanted.precision - wanted.scale
  }
  if (given.kind === 'timestamptz') return wanted.kind === 'timestamptz'
  return given.kind === 'float' && wanted.kind === 'double'
}

function parseOrNothing(type: string): ColumnType | undefined {
  try {
    return parseColumnType(type)
  } catch {
    return undefined
  }
}
