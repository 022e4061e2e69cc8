import { STAGE_COLUMNS, type SqlDialect } from './dialect.ts'
import type { SqlSession } from './session.ts'

/** The target's columns in a staging table; none where the table is gone. */
export async function dataColumns(session: SqlSession, dialect: SqlDialect, stage: string): Promise<readonly string[]> {
  const table = await dialect.describe(session, stage)
  const own: readonly string[] = STAGE_COLUMNS
  return (table?.columns ?? []).map(({ name }) => name).filter((name) => !own.includes(name))
}
