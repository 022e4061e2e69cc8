import type { LaneDatabase } from './lane-database.ts'
import type { FunctionFacts } from './sql-tree.ts'

const functionFacts = new WeakMap<LaneDatabase, Promise<ReadonlyMap<string, FunctionFacts>>>()

/** What DuckDB knows about its functions, asked for once. */
export function functionFactsOf(database: LaneDatabase): Promise<ReadonlyMap<string, FunctionFacts>> {
  const known = functionFacts.get(database)
  if (known !== undefined) return known
  const loading = loadFacts(database)
  functionFacts.set(database, loading)
  return loading
}

async function loadFacts(database: LaneDatabase): Promise<ReadonlyMap<string, FunctionFacts>> {
  const rows = await database.run(
    `SELECT lower(function_name),
       bool_or(function_type = 'aggregate'), bool_or(function_type = 'scalar'), bool_or(function_type = 'macro'),
       bool_or(function_type = 'scalar' AND coalesce(stability, '') <> 'CONSISTENT')
     FROM duckdb_functions() GROUP BY ALL`,
  )
  return new Map(
    rows.map(([name, isAggregate, isScalar, isMacro, isVolatile]) => [
      String(name),
      {
        kind: isAggregate === true ? 'aggregate' : isScalar === true ? 'scalar' : isMacro === true ? 'macro' : 'table',
        isVolatile: isVolatile === true,
      },
    ]),
  )
}
