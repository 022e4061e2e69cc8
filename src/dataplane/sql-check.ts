import { describeSelect } from './describe.ts'
import { keptRows } from './kept-rows.ts'
import type { LaneDatabase } from './lane-database.ts'
import { functionFactsOf } from './function-facts.ts'
import { emptyRelationSql } from './relation.ts'
import { quoteName, quoteText } from './sql-text.ts'
import { TreeCheck, type Node, type SqlFinding } from './sql-tree.ts'
import type { Column } from './types.ts'

export type { SqlFinding } from './sql-tree.ts'

export interface SqlCheckInput {
  /** The name by which the SQL reads its input: the id of the step before. */
  readonly name: string
  readonly columns: readonly Column[]
  /**
   * Columns that exist only when the SQL names them, such as `_offset`. Where one is named, `*` contains it too.
   */
  readonly hidden?: readonly Column[]
}

export type SqlCheck =
  | {
      readonly ok: true
      /** What comes out. */
      readonly columns: readonly Column[]
      /** Input columns that are read, hidden ones included, in the order of the input. */
      readonly uses: readonly string[]
      /** Comparisons of input columns with values, all of which hold for every row that comes out. */
      readonly keeps: readonly string[]
    }
  | { readonly ok: false; readonly findings: readonly SqlFinding[] }

/**
 * Plans a `sql` transform without rows: exactly one row-wise SELECT that reads only the given input, whose output
 * columns have names and types that can travel. For a database of the planner: it makes a temporary view of the input.
 */
export async function checkSql(database: LaneDatabase, input: SqlCheckInput, sql: string): Promise<SqlCheck> {
  const parsed = await parse(database, sql)
  if ('finding' in parsed) return { ok: false, findings: [parsed.finding] }
  return checkSelect(database, input, parsed.select, sql)
}

/**
 * Plans a row-wise expression of `filter` or `map`. One output column, called `value`.
 */
export async function checkExpression(
  database: LaneDatabase,
  input: SqlCheckInput,
  expression: string,
): Promise<SqlCheck> {
  const sql = `SELECT (${expression}\n) AS value FROM ${quoteName(input.name)}`
  const parsed = await parse(database, sql)
  if ('finding' in parsed) return { ok: false, findings: [parsed.finding] }
  const items = parsed.select['select_list']
  const isOne = Array.isArray(items) && items.length === 1 && parsed.select['where_clause'] === undefined
  if (!isOne)
    return { ok: false, findings: [{ message: 'this is more than one expression', hint: 'write one SQL expression' }] }
  return checkSelect(database, input, parsed.select, sql)
}

async function checkSelect(database: LaneDatabase, input: SqlCheckInput, select: Node, sql: string): Promise<SqlCheck> {
  const all = [...input.columns, ...(input.hidden ?? [])]
  const check = new TreeCheck({
    relations: new Set([input.name.toLowerCase()]),
    columns: new Set(all.map(({ name }) => name.toLowerCase())),
    functions: await functionFactsOf(database),
  })
  check.select(select)
  const { findings, names, hasStar } = check.facts
  if (findings.length > 0) return { ok: false, findings }
  const hidden = (input.hidden ?? []).filter(({ name }) => names.has(name.toLowerCase()))
  const read = [...input.columns.filter(({ name }) => hasStar || names.has(name.toLowerCase())), ...hidden]
  try {
    // As a view, because a SELECT inside of another one would rename columns of the same name instead of telling.
    const view = `CREATE OR REPLACE TEMP VIEW ${quoteName(input.name)} AS ${emptyRelationSql([...input.columns, ...hidden])}`
    await database.run(view)
    const body = sql.trim().replace(/;\s*$/, '')
    const columns = await database.exclusive(() => describeSelect(database.connection, body))
    return { ok: true, columns, uses: read.map(({ name }) => name), keeps: keptRows(select, input.columns) }
  } catch (error) {
    return { ok: false, findings: [planFinding(error)] }
  } finally {
    await database.run(`DROP VIEW IF EXISTS temp.${quoteName(input.name)}`)
  }
}

async function parse(database: LaneDatabase, sql: string): Promise<{ select: Node } | { finding: SqlFinding }> {
  const options = 'skip_null := true, skip_empty := true, skip_default := true'
  const rows = await database.run(`SELECT json_serialize_sql(${quoteText(sql)}, ${options})`)
  const tree = JSON.parse(String(rows[0]?.[0])) as Node
  if (tree['error'] === true) {
    const message = String(tree['error_message']).split('\n')[0] ?? ''
    return { finding: { message, hint: 'write one SELECT statement' } }
  }
  const statements = tree['statements'] as { node: Node }[]
  const [only] = statements
  if (only === undefined || statements.length !== 1) {
    return { finding: { message: `${statements.length} statements`, hint: 'write one SELECT statement' } }
  }
  return { select: only.node }
}

/** DuckDB's own words for what does not bind: there are no rows yet whose values they could tell. */
function planFinding(error: unknown): SqlFinding {
  const message = error instanceof Error ? error.message : String(error)
  const lines = message.split('\n').filter((line) => line.trim() !== '')
  const hint = lines.slice(1).find((line) => /candidate|did you mean/i.test(line))
  return {
    message: lines[0] ?? message,
    hint: hint?.trim() ?? 'compare with the columns that `millrace explain` prints',
  }
}
