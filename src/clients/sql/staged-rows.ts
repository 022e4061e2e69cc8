import type { SqlDialect, StagePlace } from './dialect.ts'
import { numberIn, textAt, type SqlSession } from './session.ts'

type Staged = StagePlace & { readonly stage: string }

function whereOf({ epoch, checkpoint }: StagePlace): string {
  return `__epoch = ${epoch} AND __checkpoint = ${checkpoint}`
}

/** Rows of a checkpoint that are in a staging table; none where the table is gone. */
export async function countStaged(session: SqlSession, dialect: SqlDialect, staged: Staged): Promise<number> {
  if ((await dialect.describe(session, staged.stage)) === undefined) return 0
  const sql = `SELECT COUNT(*) FROM ${dialect.qualified(staged.stage)} WHERE ${whereOf(staged)}`
  return numberIn(await session.query(sql, 'counting staged rows')) ?? 0
}

/** In the open transaction, or as one. */
export async function deleteStaged(session: SqlSession, dialect: SqlDialect, staged: Staged): Promise<void> {
  if ((await dialect.describe(session, staged.stage)) === undefined) return
  await session.query(`DELETE FROM ${dialect.qualified(staged.stage)} WHERE ${whereOf(staged)}`, 'deleting staged rows')
}

/** The checkpoints that have rows in a staging table. */
export async function stagedCheckpoints(
  session: SqlSession,
  dialect: SqlDialect,
  stage: string,
): Promise<readonly StagePlace[]> {
  const sql = `SELECT DISTINCT __epoch, __checkpoint FROM ${dialect.qualified(stage)} ORDER BY 1, 2`
  const { rows } = await session.query(sql, 'looking for staged rows')
  return rows.map((row) => ({ epoch: Number(textAt(row, 0)), checkpoint: Number(textAt(row, 1)) }))
}
