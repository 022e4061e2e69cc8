/** What lookups do alike, however their table came into the lane's database. */
import { assert } from '../core/assert.ts'
import type { Batch } from '../core/batch.ts'
import { MillraceError } from '../core/errors.ts'
import { quoteName, type LaneDatabase } from '../dataplane/index.ts'
import type { LookupWork } from './lookup.ts'
import { computing, makeTable, newTableName, tableBatch } from './step-tables.ts'

/** The column of the looked-up table that has this part of the key; no column of a user is called so. */
export function keyName(index: number): string {
  return `#key ${index}`
}

/** Rows of a batch with the columns of `table`, a table or a query in parentheses. The batch stays the caller's. */
export async function joinFound(work: LookupWork, database: LaneDatabase, batch: Batch, table: string): Promise<Batch> {
  assert(batch.body.kind === 'table', 'the plan gives tables to a lookup')
  const { id, input, schema, on, columns, missing } = work
  const rows = quoteName(batch.body.relation)
  const match = on.map(({ row }, index) => `r.${quoteName(row)} = t.${quoteName(keyName(index))}`).join(' AND ')
  if (missing === 'fail') {
    const [[count] = []] = await computing(
      id,
      database,
      `SELECT count(*) FROM ${rows} r ANTI JOIN ${table} t ON ${match}`,
    )
    if (Number(count) > 0) throw nothingFor(work, Number(count))
  }
  const items = [
    ...input.map(({ name }) => `r.${quoteName(name)}`),
    ...columns.map(({ name }) => `t.${quoteName(name)}`),
  ]
  const join = missing === 'null' ? 'LEFT JOIN' : 'JOIN'
  // A join may take its rows in any order.
  const select = `SELECT ${items.join(', ')} FROM ${rows} r ${join} ${table} t ON ${match} ORDER BY r.rowid`
  const name = newTableName(id)
  const count = await makeTable(id, database, name, select)
  return tableBatch(database, name, schema, count, batch)
}

/** Throws when a key names several rows of `table`, a table or a query in parentheses. */
export async function refuseTwins({ id, on }: LookupWork, database: LaneDatabase, table: string): Promise<void> {
  const keys = on.map((_, index) => quoteName(keyName(index))).join(', ')
  const twins = `SELECT 1 FROM ${table} GROUP BY ${keys} HAVING count(*) > 1`
  const [[count] = []] = await computing(id, database, `SELECT count(*) FROM (${twins})`)
  if (Number(count) === 0) return
  throw new MillraceError(
    `looking up for ${id}: ${Number(count)} keys are in several rows of the table. Look up by columns that name one row, ` +
      `or read a table that has one row for each ${on.map(({ column }) => column).join(', ')}`,
    { code: 'CONFIG' },
  )
}

function nothingFor({ id, on }: LookupWork, rows: number): MillraceError {
  const keys = on.map(({ row }) => row).join(', ')
  return new MillraceError(`looking up for ${id}: the table has nothing for the ${keys} of ${rows} rows`, {
    code: 'POISON',
    detail: { step: id, rows },
  })
}
