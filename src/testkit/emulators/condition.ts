import { NumberText } from './exact-json.ts'

type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>='
type Fields = (name: string) => unknown

/** A row predicate as `where` and Doris' `delete` header give it. */
export type Condition = (fields: Fields) => boolean

const TERM = /^\s*`?([A-Za-z_][\w$]*)`?\s*(<=|>=|<>|!=|=|<|>)\s*('(?:[^']|'')*'|"[^"]*"|[-+.\w]+)\s*$/

/** Comparisons of a column with a literal, joined by AND; undefined for anything richer. */
export function parseCondition(text: string): Condition | undefined {
  const terms: Condition[] = []
  for (const part of text.split(/\s+and\s+/i)) {
    const match = TERM.exec(part)
    if (match === null) return undefined
    const [, name = '', operator = '', literal = ''] = match
    const comparison = (operator === '<>' ? '!=' : operator) as Comparison
    const expected = parseLiteral(literal)
    terms.push((fields) => holds(comparison, fields(name), expected))
  }
  return (fields) => terms.every((term) => term(fields))
}

/** `'text'`, `12`, `true` as written in SQL. */
export function parseLiteral(text: string): string {
  const quoted = /^'(.*)'$|^"(.*)"$/s.exec(text)
  return quoted === null ? text : (quoted[1] ?? quoted[2] ?? '').replaceAll("''", "'")
}

function holds(comparison: Comparison, value: unknown, expected: string): boolean {
  // NULL compares with nothing.
  if (value === null || value === undefined) return false
  const order = compareTexts(value instanceof NumberText ? value.text : String(value), expected)
  switch (comparison) {
    case '=':
      return order === 0
    case '!=':
      return order !== 0
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}

/** As numbers when both are, else as texts. */
export function compareTexts(left: string, right: string): number {
  if (/^-?\d+$/.test(left) && /^-?\d+$/.test(right)) return order(BigInt(left), BigInt(right))
  const leftNumber = left.trim() === '' ? Number.NaN : Number(left)
  const rightNumber = right.trim() === '' ? Number.NaN : Number(right)
  if (Number.isNaN(leftNumber) || Number.isNaN(rightNumber)) return order(left, right)
  return order(leftNumber, rightNumber)
}

function order<T extends string | number | bigint>(left: T, right: T): number {
  return left < right ? -1 : left > right ? 1 : 0
}
