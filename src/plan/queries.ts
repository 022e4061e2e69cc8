import type { Finding } from '../core/checkpoint-types.ts'
import type { Schema } from '../core/schema.ts'
import { quoteName } from '../dataplane/sql-text.ts'
import type { Transform } from './definition.ts'
import { configError, type Path } from './parsed-file.ts'
import type { CheckedSql, SqlChecker } from './sql-checker.ts'

/** A SELECT of a transform; a route has one per branch. `name` is the port whose rows it gives. */
export interface Select {
  readonly name: string
  readonly sql: string
  readonly at: Path
  /** Columns that have to come out, where the planner wrote the statement around users' expressions. */
  readonly columns: readonly string[] | undefined
}

export type CheckedSelect = Select & CheckedSql

/** The statements of a transform over its input relation. Generated ones name every column: metadata never leaks. */
export function selectsOf(transform: Transform & { readonly id: string }, relation: string, input: Schema): Select[] {
  const at = ['transforms', transform.id, transform.kind]
  const names = input.map((column) => column.name)
  const all = names.map(quoteName).join(', ')
  const from = `FROM ${quoteName(relation)}`
  switch (transform.kind) {
    case 'sql':
      return [{ name: transform.id, sql: transform.sql, at, columns: undefined }]
    case 'filter': {
      const sql = `SELECT ${all} ${from} WHERE ${condition(transform.filter)} IS TRUE`
      return [{ name: transform.id, sql, at, columns: names }]
    }
    case 'map':
      return [{ name: transform.id, ...mapSelect(transform.map, names, from), at }]
    case 'route':
      return routeSelects(transform.id, transform.route, `SELECT ${all} ${from}`).map((select) => ({
        ...select,
        columns: names,
      }))
    case 'module':
    case 'aggregate':
    case 'deduplicate':
    case 'lookup':
    case 'union':
    case 'explode':
    case 'join':
      return []
  }
}

/** Replaced columns stay in their place, new ones come at the end, `null` takes a column out. */
function mapSelect(
  map: Readonly<Record<string, string | null>>,
  names: readonly string[],
  from: string,
): { sql: string; columns: string[] } {
  const lower = new Map(Object.entries(map).map(([name, expression]) => [name.toLowerCase(), expression]))
  const known = new Set(names.map((name) => name.toLowerCase()))
  const kept = names.filter((name) => lower.get(name.toLowerCase()) !== null)
  const added = Object.keys(map).filter((name) => map[name] !== null && !known.has(name.toLowerCase()))
  const columns = [...kept, ...added]
  const items = columns.map((name) => {
    const expression = lower.get(name.toLowerCase())
    return typeof expression === 'string' ? `${condition(expression)} AS ${quoteName(name)}` : quoteName(name)
  })
  return { sql: `SELECT ${items.join(', ')} ${from}`, columns }
}

/** A row goes to the first branch whose condition is true; NULL counts as not true. */
function routeSelects(id: string, route: Readonly<Record<string, string>>, select: string): Omit<Select, 'columns'>[] {
  const earlier: string[] = []
  const result = Object.entries(route).map(([branch, text]) => {
    const sql = `${select} WHERE ${[...earlier, `${condition(text)} IS TRUE`].join(' AND ')}`
    earlier.push(`${condition(text)} IS NOT TRUE`)
    return { name: `${id}.${branch}`, sql, at: ['transforms', id, 'route', branch] }
  })
  const rest = {
    name: `${id}.default`,
    sql: `${select} WHERE ${earlier.join(' AND ') || 'true'}`,
    at: ['transforms', id, 'route'],
  }
  return [...result, rest]
}

/** The SQL expressions of a transform, each with its path inside of it. */
export function expressionsOf(transform: Transform): (readonly [path: Path, expression: string])[] {
  switch (transform.kind) {
    case 'filter':
      return [[['filter'], transform.filter]]
    case 'map':
      return Object.entries(transform.map).flatMap(([name, text]) => (text === null ? [] : [[['map', name], text]]))
    case 'route':
      return Object.entries(transform.route).map(([name, text]) => [['route', name], text])
    case 'sql':
    case 'module':
    case 'aggregate':
    case 'deduplicate':
    case 'lookup':
    case 'union':
    case 'explode':
    case 'join':
      return []
  }
}

/**
 * Expressions are put into brackets, so none may close a bracket that it did not open: `a) OR (b` would be taken apart
 * and change which rows a branch gets. Quoted texts and comments do not count.
 */
export function closesForeignBracket(expression: string): boolean {
  const code = expression.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[^]*?\*\//g, ' ')
  let depth = 0
  for (const character of code) {
    if (character === '(') depth++
    else if (character === ')' && --depth < 0) return true
  }
  return false
}

/** A user's expression in brackets; the line break ends a comment in it. */
function condition(expression: string): string {
  return expression.includes('--') ? `(${expression.trim()}\n)` : `(${expression.trim()})`
}

/** What is wrong with an SQL expression over rows of a schema; nothing, when it gives one value for each of them. */
export async function checkRowExpression(
  checker: SqlChecker,
  expression: string,
  schema: Schema,
  at: Path,
): Promise<readonly Finding[]> {
  if (closesForeignBracket(expression)) return [configError('there is a closing bracket too many', at)]
  const sql = `SELECT ${condition(expression)} AS value FROM ${quoteName('rows')}`
  const result = await checkSelect(checker, { name: 'rows', sql, at, columns: ['value'] }, 'rows', schema, [])
  return 'schema' in result ? [] : result
}

export async function checkSelect(
  checker: SqlChecker,
  select: Select,
  relation: string,
  input: Schema,
  metadata: Schema,
): Promise<CheckedSelect | readonly Finding[]> {
  const result = await checker.check(select.sql, [{ name: relation, schema: input }], metadata)
  if (!('schema' in result)) return result.map((finding) => ({ ...finding, path: select.at }))
  const names = result.schema.map((column) => column.name)
  if (select.columns !== undefined && JSON.stringify(names) !== JSON.stringify(select.columns)) {
    return [configError('expected SQL expressions that give one column each', select.at)]
  }
  return { ...select, ...result }
}
