import { quoteName, quoteText } from './sql-text.ts'
import type { Node } from './sql-tree.ts'
import type { Column, ColumnType } from './types.ts'

/** DuckDB's names of comparisons in its syntax tree, and the same with the sides exchanged. */
const COMPARISONS: Readonly<Record<string, readonly [sign: string, exchanged: string]>> = {
  COMPARE_EQUAL: ['=', '='],
  COMPARE_LESSTHAN: ['<', '>'],
  COMPARE_LESSTHANOREQUALTO: ['<=', '>='],
  COMPARE_GREATERTHAN: ['>', '<'],
  COMPARE_GREATERTHANOREQUALTO: ['>=', '<='],
}

/**
 * What every row fulfils that a row-wise SELECT (of DuckDB's syntax tree) keeps: comparisons of its input's columns with
 * values, such as `"id" >= 100`, `"region" IN ('eu', 'us')` or `"note" IS NOT NULL`, all of which have to hold. A part of
 * the WHERE that is anything else is left out, and so is a comparison whose value is not of the column's own kind or a
 * floating-point number, because DuckDB may round it before it compares.
 */
export function keptRows(select: Node, columns: readonly Column[]): readonly string[] {
  const { from_table: from, where_clause: where, cte_map: names } = select
  if (!isNode(from) || !isNode(where) || from['type'] !== 'BASE_TABLE' || hasEntries(names)) return []
  const relation = String(from['alias'] ?? from['table_name']).toLowerCase()
  return conjuncts(where).flatMap((part) => comparisonOf(part, { relation, columns }) ?? [])
}

interface Scope {
  readonly relation: string
  readonly columns: readonly Column[]
}

/** The parts of an AND; `(…) IS TRUE` keeps the same rows as its inside. */
function conjuncts(node: Node): readonly Node[] {
  const { type, children, left, right } = node
  if (type === 'CONJUNCTION_AND') return nodesOf(children).flatMap(conjuncts)
  const isTruth = type === 'COMPARE_NOT_DISTINCT_FROM' && isNode(left) && isNode(right) && isTrue(right)
  const inner =
    isTruth && left['class'] === 'CAST' && typeOf(left['cast_type']) === 'BOOLEAN' ? left['child'] : undefined
  return isNode(inner) ? conjuncts(inner) : [node]
}

function comparisonOf(node: Node, scope: Scope): string | undefined {
  const { type, left, right, children } = node
  const signs = COMPARISONS[String(type)]
  if (signs !== undefined) {
    const [sign, exchanged] = signs
    return compared(left, sign, right, scope) ?? compared(right, exchanged, left, scope)
  }
  if (type === 'COMPARE_BETWEEN') {
    const lower = compared(node['input'], '>=', node['lower'], scope)
    const upper = compared(node['input'], '<=', node['upper'], scope)
    return lower === undefined || upper === undefined ? (lower ?? upper) : `${lower} AND ${upper}`
  }
  const [first, ...others] = nodesOf(children)
  const column = columnOf(first, scope)
  if (column === undefined) return undefined
  if (type === 'OPERATOR_IS_NULL') return `${quoteName(column.name)} IS NULL`
  if (type === 'OPERATOR_IS_NOT_NULL') return `${quoteName(column.name)} IS NOT NULL`
  if (type !== 'COMPARE_IN') return undefined
  const values = others.map((other) => literalOf(other, column.type))
  return values.includes(undefined) ? undefined : `${quoteName(column.name)} IN (${values.join(', ')})`
}

function compared(left: unknown, sign: string, right: unknown, scope: Scope): string | undefined {
  const column = columnOf(left, scope)
  const value = column && literalOf(right, column.type)
  return value === undefined ? undefined : `${quoteName(column?.name ?? '')} ${sign} ${value}`
}

/** SQL finds columns without looking at case. */
function columnOf(node: unknown, { relation, columns }: Scope): Column | undefined {
  if (!isNode(node) || node['class'] !== 'COLUMN_REF') return undefined
  const names = (node['column_names'] as readonly string[]).map((name) => name.toLowerCase())
  if (names.length === 2 && names[0] !== relation) return undefined
  const found = names.length > 2 ? [] : columns.filter(({ name }) => name.toLowerCase() === names.at(-1))
  return found.length === 1 ? found[0] : undefined
}

/** A value that is compared as what it is, in the text that every SQL has for it. */
function literalOf(node: unknown, type: ColumnType): string | undefined {
  if (!isNode(node)) return undefined
  if (node['class'] === 'CAST') {
    const isOwn = node['try_cast'] !== true && castsOf(type).includes(typeOf(node['cast_type']))
    return isOwn ? literalOf(node['child'], type) : undefined
  }
  const value = node['class'] === 'CONSTANT' ? node['value'] : undefined
  if (!isNode(value) || value['is_null'] === true) return undefined
  const { type: valueType, value: content } = value
  switch (typeOf(valueType)) {
    case 'VARCHAR':
      if (type.kind === 'boolean') return content === 't' ? 'true' : content === 'f' ? 'false' : undefined
      return typeof content === 'string' && !content.includes('\0') && takesText(type) ? quoteText(content) : undefined
    case 'TINYINT':
    case 'SMALLINT':
    case 'INTEGER':
    case 'BIGINT':
      // Greater ones were rounded when the tree was read.
      return Number.isSafeInteger(content) && isExact(type) ? String(content) : undefined
    case 'DECIMAL':
      return isExact(type) ? decimalText(content, valueType) : undefined
    default:
      return undefined
  }
}

function isExact({ kind }: ColumnType): boolean {
  return kind === 'integer' || kind === 'decimal'
}

function takesText({ kind }: ColumnType): boolean {
  return kind === 'varchar' || kind === 'date' || kind === 'timestamp' || kind === 'timestamptz'
}

/** Casts of texts that change nothing, as in `DATE '2024-01-01'`. In DuckDB's tree, true and false are casts of 't' and 'f'. */
function castsOf({ kind }: ColumnType): readonly string[] {
  switch (kind) {
    case 'boolean':
      return ['BOOLEAN']
    case 'date':
      return ['DATE']
    case 'timestamp':
      return ['TIMESTAMP', 'DATE']
    case 'timestamptz':
      return ['TIMESTAMP WITH TIME ZONE']
    default:
      return []
  }
}

/** DuckDB's tree has a decimal as a whole number and its scale. */
function decimalText(content: unknown, type: unknown): string | undefined {
  const info = isNode(type) ? type['type_info'] : undefined
  const scale = isNode(info) ? info['scale'] : undefined
  if (!Number.isSafeInteger(content) || typeof scale !== 'number') return undefined
  const digits = String(Math.abs(Number(content))).padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const fraction = digits.slice(digits.length - scale)
  return `${Number(content) < 0 ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}

function isTrue(node: Node): boolean {
  const value = node['value']
  return node['class'] === 'CONSTANT' && isNode(value) && value['value'] === true
}

function typeOf(type: unknown): string {
  return isNode(type) ? String(type['id']) : ''
}

function hasEntries(names: unknown): boolean {
  return isNode(names) && nodesOf(names['map']).length > 0
}

function nodesOf(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
