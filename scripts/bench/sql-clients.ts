/** What one would write by hand to put rows into a table by key, as fast as it goes or as simply as it goes. */
import mysql from 'mysql2/promise'
import pg from 'pg'

/** id, ts, name, amount, n, note */
export type BenchRow = readonly [string, string, string, string, string, string]

const CONNECTIONS = 4
const PAGE_ROWS = 2000
/** Statements of a transaction that goes row by row. */
const BATCH_ROWS = 500

const NAMES = ['ts', 'name', 'amount', 'n', 'note'] as const

interface Session {
  page(rows: readonly BenchRow[]): Promise<void>
  rowByRow(rows: readonly BenchRow[]): Promise<void>
  end(): Promise<void>
}

/** The best that we know: pages sorted and without double keys, over several connections by key. */
export async function bulkUpsert(url: string, rows: readonly BenchRow[]): Promise<void> {
  const shards = Array.from({ length: CONNECTIONS }, (): BenchRow[] => [])
  for (const row of rows) shards[Number(row[0]) % CONNECTIONS]?.push(row)
  await Promise.all(
    shards.map(async (shard) => {
      const session = await open(url)
      for (let at = 0; at < shard.length; at += PAGE_ROWS)
        await session.page(lastOfEach(shard.slice(at, at + PAGE_ROWS)))
      await session.end()
    }),
  )
}

/** As drivers do it when nobody tunes them: one connection, rows in their order, a transaction for some hundred. */
export async function orderedUpsert(url: string, rows: readonly BenchRow[]): Promise<void> {
  const session = await open(url)
  for (let at = 0; at < rows.length; at += BATCH_ROWS) await session.rowByRow(rows.slice(at, at + BATCH_ROWS))
  await session.end()
}

function lastOfEach(rows: readonly BenchRow[]): BenchRow[] {
  return [...new Map(rows.map((row) => [row[0], row])).values()].sort((one, other) => Number(one[0]) - Number(other[0]))
}

function open(url: string): Promise<Session> {
  return url.startsWith('postgres:') ? openPostgres(url) : openMysql(url)
}

async function openMysql(uri: string): Promise<Session> {
  const connection = await mysql.createConnection({ uri })
  await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
  const set = NAMES.map((name) => `${name} = VALUES(${name})`).join(', ')
  const insert = 'INSERT INTO upserts (id, ts, name, amount, n, note) VALUES '
  return {
    page: async (rows) => {
      const values = rows.map((r) => `(${r[0]},'${r[1]}','${r[2]}',${r[3]},${r[4]},'${r[5]}')`)
      await connection.query(`${insert}${values.join(',')} ON DUPLICATE KEY UPDATE ${set}`)
    },
    rowByRow: async (rows) => {
      await connection.query('START TRANSACTION')
      const sql = `${insert}(?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE ${set}`
      for (const row of rows) await connection.execute(sql, [...row])
      await connection.query('COMMIT')
    },
    end: () => connection.end(),
  }
}

async function openPostgres(connectionString: string): Promise<Session> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const end = `ON CONFLICT (id) DO UPDATE SET ${NAMES.map((name) => `${name} = EXCLUDED.${name}`).join(', ')}`
  return {
    page: async (rows) => {
      const values = [0, 1, 2, 3, 4, 5].map((at) => `{${rows.map((row) => `"${row[at] ?? ''}"`).join(',')}}`)
      const types = ['bigint', 'timestamp', 'text', 'numeric', 'int', 'text']
      const arrays = types.map((type, at) => `$${at + 1}::${type}[]`).join(', ')
      await client.query({ name: 'page', text: `INSERT INTO upserts SELECT * FROM unnest(${arrays}) ${end}`, values })
    },
    rowByRow: async (rows) => {
      await client.query('BEGIN')
      const text = `INSERT INTO upserts VALUES ($1, $2, $3, $4, $5, $6) ${end}`
      for (const row of rows) await client.query({ name: 'row', text, values: [...row] })
      await client.query('COMMIT')
    },
    end: () => client.end(),
  }
}
