import { assert } from '../core/assert.ts'
import type { Batch } from '../core/batch.ts'
import type { LaneDatabase } from './lane-database.ts'
import { quoteName } from './sql-text.ts'

let parts = 0

/** Rows `from` to `to` of a batch that is a table, as a table of their own. Takes the batch over. */
export async function tablePart(database: LaneDatabase, batch: Batch, from: number, to: number): Promise<Batch> {
  const { body } = batch
  assert(body.kind === 'table', 'only a table is cut by DuckDB')
  const relation = `part ${++parts}`
  try {
    // A table that was made whole numbers its rows from 0.
    await database.run(
      `CREATE TEMP TABLE ${quoteName(relation)} AS ` +
        `SELECT * FROM ${quoteName(body.relation)} WHERE rowid >= ${from} AND rowid < ${to} ORDER BY rowid`,
    )
  } finally {
    batch.release()
  }
  return {
    ...batch,
    rows: to - from,
    bytes: Math.ceil((batch.bytes * (to - from)) / batch.rows),
    body: { ...body, relation },
    // A table that stays because the lane is ending goes with the lane.
    release: () => void database.run(`DROP TABLE IF EXISTS ${quoteName(relation)}`).catch(() => undefined),
  }
}

/** Rows of a batch that is a table, as JSON texts, and the others as a table of their own. Takes the batch over. */
export async function tableWithout(
  database: LaneDatabase,
  batch: Batch,
  rows: readonly number[],
): Promise<{ readonly rest: Batch; readonly taken: readonly string[] }> {
  const { body } = batch
  assert(body.kind === 'table', 'only rows of tables are taken by DuckDB')
  const relation = `part ${++parts}`
  const from = quoteName(body.relation)
  try {
    const list = rows.join(', ')
    const taken = await database.run(
      `SELECT CAST(to_json(one) AS VARCHAR) FROM (SELECT * FROM ${from} WHERE rowid IN (${list}) ORDER BY rowid) AS one`,
    )
    await database.run(
      `CREATE TEMP TABLE ${quoteName(relation)} AS SELECT * FROM ${from} WHERE rowid NOT IN (${list}) ORDER BY rowid`,
    )
    const left = batch.rows - rows.length
    const rest: Batch = {
      ...batch,
      rows: left,
      bytes: Math.ceil((batch.bytes * left) / batch.rows),
      body: { kind: 'table', relation, schema: body.schema },
      release: () => void database.run(`DROP TABLE IF EXISTS ${quoteName(relation)}`).catch(() => undefined),
    }
    return { rest, taken: taken.map(([text]) => String(text)) }
  } finally {
    batch.release()
  }
}
