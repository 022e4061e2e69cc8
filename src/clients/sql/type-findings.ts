import type { Finding } from '../../core/checkpoint-types.ts'
import type { Column } from '../../core/schema.ts'
import type { TargetColumn } from './target.ts'

/** What the server would do silently to values of a column: rounding. Everything else it refuses by itself. */
export function* typeFinding(column: Column, target: TargetColumn): Iterable<Finding> {
  const to = target.type.toLowerCase()
  const scale = decimalScale(column.type)
  const toScale = targetScale(to)
  if (scale !== undefined && toScale !== undefined && scale > toScale) {
    yield lossy('error', column, target, `values with more than ${toScale} decimal places would be rounded`)
  }
  if (scale !== undefined && scale > 0 && /^(tinyint|smallint|mediumint|int|integer|bigint)/.test(to)) {
    yield lossy('error', column, target, 'decimal places would be rounded')
  }
  if (scale !== undefined && /^(float|double|real)/.test(to)) {
    yield lossy('error', column, target, 'decimals are not exact in it')
  }
  if (/^(bigint|ubigint|hugeint|uhugeint|double)/i.test(column.type) && /^(float|real)/.test(to)) {
    yield lossy('error', column, target, 'it holds seven digits')
  }
  if (
    /^(float|double)/i.test(column.type) &&
    /^(tinyint|smallint|mediumint|int|integer|bigint|decimal|numeric)/.test(to)
  ) {
    yield lossy('warning', column, target, 'fractions would be rounded')
  }
  const digits = fractionDigits(column.type)
  const toDigits = targetFraction(to)
  if (digits !== undefined && toDigits !== undefined && digits > toDigits) {
    const what = `fractions of seconds beyond ${toDigits} digits would be rounded`
    yield lossy('warning', column, target, what, `Declare it ${baseOf(column.type)}(${toDigits}) if it has no more.`)
  }
}

function lossy(
  severity: Finding['severity'],
  { name, type }: Column,
  target: TargetColumn,
  what: string,
  hint: string = 'Change the type of the column, or CAST in SQL.',
): Finding {
  const message = `the column ${name} (${type}) goes into ${target.type}: ${what}`
  return { severity, code: 'SCHEMA', message, hint }
}

function decimalScale(type: string): number | undefined {
  const found = /^(?:decimal|numeric|dec)\s*(?:\(\s*\d+\s*(?:,\s*(\d+)\s*)?\))?/i.exec(type)
  if (found === null) return undefined
  return type.includes('(') ? Number(found[1] ?? 0) : 3
}

/** PostgreSQL's `numeric` without parameters takes any. */
function targetScale(type: string): number | undefined {
  const found = /^(?:decimal|numeric)\((\d+)(?:,(\d+))?\)/.exec(type)
  return found === null ? undefined : Number(found[2] ?? 0)
}

function fractionDigits(type: string): number | undefined {
  const found = /^timestamp(?:\((\d)\))?$/i.exec(type)
  if (found !== null) return Number(found[1] ?? 6)
  return /^(timestamptz|timestamp with time zone|time)$/i.test(type) ? 6 : undefined
}

function targetFraction(type: string): number | undefined {
  const found = /^(datetime|timestamp|time)(?:\((\d)\))?(.*)$/.exec(type)
  if (found === null) return undefined
  const isPostgres = (found[3] ?? '').includes('time zone')
  return Number(found[2] ?? (isPostgres ? 6 : 0))
}

function baseOf(type: string): string {
  return /^[a-z]+/i.exec(type)?.[0] ?? type
}
