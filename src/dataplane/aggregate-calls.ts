import type { LaneDatabase } from './lane-database.ts'
import { functionFactsOf } from './function-facts.ts'
import { quoteText } from './sql-text.ts'
import { TreeCheck, type FunctionFacts, type Node, type SqlFinding } from './sql-tree.ts'

/** One aggregate function in an expression, its arguments as SQL over the rows. */
export interface AggregateCall {
  readonly name: string
  readonly args: readonly string[]
  readonly distinct: boolean
  /** The condition of its FILTER clause. */
  readonly filter: string | undefined
}

/** An expression over aggregates, such as `sum(amount) / count(*)`. */
export interface AggregateExpression {
  readonly calls: readonly AggregateCall[]
  /** SQL over columns that hold the results of the calls, called as `nameOf` said, and over columns of the group. */
  readonly final: string
}

export type AggregateParse =
  | { readonly ok: true; readonly expression: AggregateExpression }
  | { readonly ok: false; readonly findings: readonly SqlFinding[] }

export interface AggregateScope {
  /** Columns of the rows. */
  readonly columns: readonly string[]
  /** What the results of the calls are called in `final`. */
  nameOf(call: number): string
}

/** Takes an expression apart with DuckDB's own parser. Everything around and inside of the aggregates is row-wise. */
export async function parseAggregate(
  database: LaneDatabase,
  text: string,
  scope: AggregateScope,
): Promise<AggregateParse> {
  const parsed = await parse(database, text)
  if ('message' in parsed) return { ok: false, findings: [parsed] }
  const functions = await functionFactsOf(database)
  const check = new TreeCheck({
    relations: new Set(),
    columns: new Set(scope.columns.map((name) => name.toLowerCase())),
    functions,
  })
  const found: Node[] = []
  const outer = withoutCalls(parsed.item, functions, (node) => {
    found.push(node)
    return columnNode(scope.nameOf(found.length - 1))
  })
  const parts = [outer as Node, ...found.flatMap((node) => [...argsOf(node), ...filterOf(node)])]
  for (const part of parts) check.expression(pruned(part) as Node)
  const { findings, hasStar } = check.facts
  const more: SqlFinding[] = []
  if (found.length === 0) more.push({ message: 'there is no aggregate function in it', hint: 'such as sum(amount)' })
  if (hasStar) more.push({ message: 'a star stands for several columns', hint: 'name one of them' })
  for (const node of found) {
    if (orderOf(node))
      more.push({ message: 'ORDER BY inside of an aggregate', hint: 'use arg_min(x, y) or arg_max(x, y)' })
  }
  if (findings.length + more.length > 0) return { ok: false, findings: [...findings, ...more] }
  const write = (node: Node): Promise<string> => textOf(database, parsed.tree, node)
  const calls: AggregateCall[] = []
  for (const node of found) {
    const args: string[] = []
    for (const arg of argsOf(node)) args.push(await write(arg))
    const [condition] = filterOf(node)
    calls.push({
      name: String(node['function_name'])
        .toLowerCase()
        .replace(/^count_star$/, 'count'),
      args,
      distinct: node['distinct'] === true,
      filter: condition === undefined ? undefined : await write(condition),
    })
  }
  return { ok: true, expression: { calls, final: await write(outer as Node) } }
}

interface Parsed {
  /** A whole statement, whose list of items is exchanged to write others. */
  readonly tree: Node
  readonly item: Node
}

async function parse(database: LaneDatabase, text: string): Promise<Parsed | SqlFinding> {
  const rows = await database.run(`SELECT json_serialize_sql(${quoteText(`SELECT ${text}\n`)})`)
  const tree = readTree(String(rows[0]?.[0]))
  if (tree['error'] === true) {
    return { message: String(tree['error_message']).split('\n')[0] ?? '', hint: 'write one SQL expression' }
  }
  const statements = tree['statements'] as { node: Node }[]
  const node = statements[0]?.node
  const items = (node?.['select_list'] ?? []) as Node[]
  const isPlain =
    node !== undefined && isNode(node['from_table']) && node['from_table']['type'] === 'EMPTY' && !hasClause(node)
  const [item] = items
  if (statements.length !== 1 || items.length !== 1 || item === undefined || !isPlain) {
    return { message: 'this is more than one expression', hint: 'write one SQL expression' }
  }
  return { tree, item }
}

/** Constants of 64 bits do not fit a number of JavaScript: those travel as marked texts. */
function readTree(text: string): Node {
  return JSON.parse(text, (_, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && context.source !== String(value)
      ? `\0${context.source}`
      : value,
  ) as Node
}

function writeTree(tree: Node): string {
  return JSON.stringify(tree).replaceAll(/"\\u0000([-+.\deE]+)"/g, '$1')
}

function hasClause(node: Node): boolean {
  const isGiven = (key: string): boolean => isNode(node[key]) || (Array.isArray(node[key]) && node[key].length > 0)
  return ['where_clause', 'modifiers', 'group_expressions', 'having', 'qualify', 'sample'].some(isGiven)
}

async function textOf(database: LaneDatabase, tree: Node, item: Node): Promise<string> {
  const statement = { ...(tree['statements'] as { node: Node }[])[0] }
  const node = { ...statement.node, select_list: [{ ...item, alias: '' }] }
  const whole = writeTree({ ...tree, statements: [{ ...statement, node }] })
  const rows = await database.run(`SELECT json_deserialize_sql(${quoteText(whole)})`)
  return String(rows[0]?.[0]).replace(/^SELECT /, '')
}

/** The tree with something else in place of every aggregate. */
function withoutCalls(
  value: unknown,
  functions: ReadonlyMap<string, FunctionFacts>,
  replace: (node: Node) => Node,
): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutCalls(item, functions, replace))
  if (!isNode(value)) return value
  if (value['class'] === 'FUNCTION' && isAggregate(value, functions)) return replace(value)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutCalls(inner, functions, replace)]))
}

function isAggregate(node: Node, functions: ReadonlyMap<string, FunctionFacts>): boolean {
  const name = String(node['function_name']).toLowerCase()
  return functions.get(name)?.kind === 'aggregate' || AGGREGATE_MACROS.has(name) || isNode(node['filter'])
}

/** DuckDB's catalog calls them macros. */
const AGGREGATE_MACROS = new Set(['wavg', 'weighted_avg', 'geomean', 'geometric_mean'])

/** Without what says nothing: the rules read a tree in which only what was written is there. */
function pruned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pruned)
  if (!isNode(value)) return value
  const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== '' && inner !== false)
  return Object.fromEntries(entries.map(([key, inner]) => [key, pruned(inner)]))
}

function columnNode(name: string): Node {
  return { class: 'COLUMN_REF', type: 'COLUMN_REF', alias: '', query_location: 0, column_names: [name] }
}

function argsOf(node: Node): Node[] {
  return Array.isArray(node['children']) ? node['children'].filter(isNode) : []
}

function filterOf(node: Node): Node[] {
  return isNode(node['filter']) ? [node['filter']] : []
}

function orderOf(node: Node): boolean {
  const order = node['order_bys']
  return isNode(order) && Array.isArray(order['orders']) && order['orders'].length > 0
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
