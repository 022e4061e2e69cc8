import assert from 'node:assert/strict'
import { test } from 'node:test'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { startDatabase, useDatabase } from '../scripts/services/databases.ts'

for (const name of ['mariadb', 'mysql', 'mysql80'] as const) {
  test(`${name} writes a row log that change readers understand`, async () => {
    await using server = await useDatabase(name)
    const connection = await mysql.createConnection(server.url)
    try {
      const [rows] = await connection.query(
        "SHOW VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata')",
      )
      const found = Object.fromEntries(
        (rows as Record<string, string>[]).map((row) => [row['Variable_name'], row['Value']]),
      )
      assert.deepEqual(found, {
        log_bin: 'ON',
        binlog_format: 'ROW',
        binlog_row_image: 'FULL',
        binlog_row_metadata: 'FULL',
      })
    } finally {
      await connection.end()
    }
  })
}

test('PostgreSQL decodes its log logically and lets transactions be prepared', async () => {
  await using server = await useDatabase('postgres')
  const client = new pg.Client({ connectionString: `${server.url}/postgres` })
  await client.connect()
  try {
    const found = await client.query(
      "SELECT current_setting('wal_level') AS wal, current_setting('max_prepared_transactions')::int > 0 AS prepares",
    )
    assert.deepEqual(found.rows, [{ wal: 'logical', prepares: true }])
  } finally {
    await client.end()
  }
})

for (const name of ['mariadb', 'postgres'] as const) {
  test(`${name} keeps committed rows when it is killed and started again`, async () => {
    await using server = await startDatabase(name)
    const run = async (...statements: readonly string[]): Promise<unknown> => {
      if (name === 'postgres') {
        const client = new pg.Client({ connectionString: `${server.url}/postgres` })
        await client.connect()
        try {
          let rows: unknown
          for (const statement of statements) rows = (await client.query(statement)).rows
          return rows
        } finally {
          await client.end()
        }
      }
      const connection = await mysql.createConnection(server.url)
      try {
        let rows: unknown
        for (const statement of statements) [rows] = await connection.query(statement)
        return rows
      } finally {
        await connection.end()
      }
    }
    await run(
      `CREATE ${name === 'postgres' ? 'SCHEMA' : 'DATABASE'} kept`,
      'CREATE TABLE kept.rows (id int)',
      'INSERT INTO kept.rows VALUES (7)',
    )
    await server.kill()
    await server.restart()
    assert.equal(JSON.stringify(await run('SELECT id FROM kept.rows')), '[{"id":7}]')
  })
}
