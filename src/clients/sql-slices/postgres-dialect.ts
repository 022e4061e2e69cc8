import { CopyRows } from './copy-rows.ts'
import type { SettleAsk, SliceDialect, SliceSession, TableAsk } from './dialect.ts'
import { postgresShape } from './postgres-shape.ts'
import { settlePostgres } from './postgres-settle.ts'
import { POSTGRES_TEXT } from './postgres-text.ts'

/** Slices of PostgreSQL tables. `connect` opens a connection whose texts are exact and in UTC. */
export function postgresDialect(connect: () => Promise<SliceSession>): SliceDialect {
  return {
    label: 'Postgres',
    connect,
    encoder: (layout) => new CopyRows(layout),
    shape: (session: SliceSession, ask: TableAsk) => postgresShape(session, ask),
    horizonProblem,
    ...POSTGRES_TEXT,
    settle: (session: SliceSession, ask: SettleAsk) => settlePostgres(session, ask),
    present: () => Promise.resolve(undefined),
    verifyPresent: () => Promise.resolve(),
  }
}

async function horizonProblem(session: SliceSession): Promise<string | undefined> {
  const [row] = await session.rows('SELECT pg_is_in_recovery()::text')
  return row?.[0] === 'true'
    ? 'the server is a standby, which does not know the transactions of its primary'
    : undefined
}
