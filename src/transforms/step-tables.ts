import type { Batch } from '../core/batch.ts'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import type { Schema } from '../core/schema.ts'
import { quoteName, type LaneDatabase } from '../dataplane/index.ts'
import type { OperatorOutput } from './operator.ts'

/** Results leave in batches of this many rows. */
const RESULT_ROWS = 50_000
/** How large a row is taken to be that was computed. */
const ROW_BYTES = 64

let tables = 0

/** A name for a temporary table that no other batch of this thread has. */
export function newTableName(step: string): string {
  return `made ${++tables} by ${step}`
}

/** Runs SQL of a step. DuckDB's text may hold values of rows; its class is enough. */
export function computing(step: string, database: LaneDatabase, sql: string): Promise<unknown[][]> {
  return database.exclusive(() => computingInside(step, database, sql))
}

/** The same inside of `exclusive`. */
export async function computingInside(step: string, database: LaneDatabase, sql: string): Promise<unknown[][]> {
  try {
    return (await database.connection.runAndReadAll(sql)).getRows()
  } catch (thrown) {
    throw computeError(step, thrown)
  }
}

function computeError(step: string, thrown: unknown): MillraceError {
  const error = toMillraceError(thrown)
  if (error.code === 'INTERRUPTED') return error
  const kind = /^[A-Za-z ]{1,40}(?=:)/.exec(error.message)?.[0] ?? 'error'
  const isMachine = /^(IO|Out of Memory|INTERRUPT)/i.test(kind)
  const what = /^Out of Range/i.test(kind) ? `${kind}: a result is larger than its type can hold` : kind
  return new MillraceError(`computing ${step}: ${what}`, {
    code: isMachine ? 'UNAVAILABLE' : 'POISON',
    retry: isMachine ? 'restart' : 'halt',
    detail: { step },
  })
}

/** A table of the lane's database as a batch, which takes the place of `of` for positions. Nobody waits for its end. */
export function tableBatch(
  database: LaneDatabase,
  relation: string,
  schema: Schema,
  rows: number,
  of: Pick<Batch, 'split' | 'from' | 'next' | 'bytes'>,
): Batch {
  let isReleased = false
  return {
    kind: 'batch',
    split: of.split,
    from: of.from,
    next: of.next,
    rows,
    bytes: of.bytes,
    body: { kind: 'table', relation, schema },
    release: () => {
      if (isReleased) return
      isReleased = true
      database.run(`DROP TABLE IF EXISTS ${quoteName(relation)}`).catch(() => undefined)
    },
  }
}

/** Makes a temporary table and counts its rows. */
export async function makeTable(step: string, database: LaneDatabase, name: string, select: string): Promise<number> {
  const rows = await computing(step, database, `CREATE OR REPLACE TEMP TABLE ${quoteName(name)} AS ${select}`)
  return Number(rows[0]?.[0] ?? 0)
}

/** Gives what a query finds, which has no place in its source any more. */
export async function giveResults(
  step: string,
  database: LaneDatabase,
  out: OperatorOutput,
  results: { readonly to: number; readonly select: string; readonly schema: Schema },
): Promise<void> {
  const { to, select, schema } = results
  const name = newTableName(step)
  const rows = await makeTable(step, database, name, select)
  const nowhere = { split: '', from: {}, next: {} }
  const all = tableBatch(database, name, schema, rows, { ...nowhere, bytes: rows * ROW_BYTES })
  if (rows > 0 && rows <= RESULT_ROWS) return out.emit(to, all)
  try {
    for (let at = 0; at < rows; at += RESULT_ROWS) {
      const part = newTableName(step)
      const range = `SELECT * FROM ${quoteName(name)} WHERE rowid >= ${at} AND rowid < ${at + RESULT_ROWS}`
      const count = await makeTable(step, database, part, range)
      await out.emit(to, tableBatch(database, part, schema, count, { ...nowhere, bytes: count * ROW_BYTES }))
    }
  } finally {
    all.release()
  }
}
