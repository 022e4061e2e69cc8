import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { startPostgres } from '../../../scripts/services/postgres.ts'
import { MillraceError } from '../../core/errors.ts'
import { Secret } from '../../core/secret.ts'
import { PostgresConnection, quotePostgresText, type PostgresAddress } from './index.ts'

function addressOf(url: string): PostgresAddress {
  const { hostname, port, username, password } = new URL(url)
  return { host: hostname, port: Number(port), user: username, password: new Secret(password), database: 'postgres' }
}

const wrong = (code: string, retry: string) => (error: unknown) =>
  error instanceof MillraceError && error.code === code && error.retry === retry

test('values come back as the server writes them', async () => {
  await using server = await useDatabase('postgres')
  await using connection = await PostgresConnection.open(addressOf(server.url))
  const { rows } = await connection.query(
    `SELECT 9223372036854775807::bigint, '${'9'.repeat(70)}.5'::numeric, '2026-01-02 03:04:05.678901+02'::timestamptz, ` +
      `'\\x00ff27'::bytea, ${quotePostgresText("it's \\ 🦀\n")}, NULL, 0.1::float8, '{"a": 1}'::jsonb`,
  )
  const moment = '2026-01-02 01:04:05.678901+00'
  const expected = ['9223372036854775807', `${'9'.repeat(70)}.5`, moment, '\\x00ff27', "it's \\ 🦀\n", null, '0.1']
  assert.deepEqual(rows, [[...expected, '{"a": 1}']])
})

test('errors say whether the transaction may be run again, and quote no value', async () => {
  await using server = await useDatabase('postgres')
  await using connection = await PostgresConnection.open(addressOf(server.url))
  await connection.query('CREATE TEMP TABLE t (id int PRIMARY KEY, name varchar(3))')
  await assert.rejects(connection.query("INSERT INTO t VALUES (1, 'secret')"), (error: Error) => {
    assert.match(error.message, /22001/)
    assert.doesNotMatch(error.message, /secret/)
    return wrong('POISON', 'halt')(error)
  })
  await assert.rejects(connection.query('SELECT * FROM missing'), wrong('SCHEMA', 'halt'))
  await assert.rejects(connection.query('SELEKT'), wrong('INTERNAL', 'halt'))
  const address = addressOf(server.url)
  await assert.rejects(PostgresConnection.open({ ...address, password: new Secret('wrong') }), wrong('AUTH', 'halt'))
  await assert.rejects(PostgresConnection.open({ ...address, database: 'nowhere' }), wrong('SCHEMA', 'halt'))
  await assert.rejects(PostgresConnection.open({ ...address, port: 1 }), wrong('UNAVAILABLE', 'retry'))
})

test('COMMIT of a failed transaction shows by its tag that it was rolled back', async () => {
  await using server = await useDatabase('postgres')
  await using connection = await PostgresConnection.open(addressOf(server.url))
  await connection.query('BEGIN')
  await assert.rejects(connection.query('SELECT 1/0'), wrong('POISON', 'halt'))
  assert.equal((await connection.query('COMMIT')).command, 'ROLLBACK')
})

test('a killed connection is an error that may be retried', async () => {
  await using server = await useDatabase('postgres')
  await using connection = await PostgresConnection.open(addressOf(server.url))
  await using other = await PostgresConnection.open(addressOf(server.url))
  const { rows } = await connection.query('SELECT pg_backend_pid()')
  await other.query(`SELECT pg_terminate_backend(${String(rows[0]?.[0])})`)
  await assert.rejects(connection.query('SELECT 1'), wrong('UNAVAILABLE', 'retry'))
})

test('a certificate that nobody vouches for is refused, one of the given authority is taken', async () => {
  await using server = await startPostgres({ tls: true })
  const address = addressOf(server.url)
  await assert.rejects(PostgresConnection.open({ ...address, tls: {} }), wrong('AUTH', 'halt'))
  await using connection = await PostgresConnection.open({ ...address, tls: { ca: server.ca } })
  const { rows } = await connection.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
  assert.deepEqual(rows, [['t']])
})

test('an address of instance metadata is never connected to', async () => {
  const address = { host: '169.254.169.254', port: 80, user: 'u', password: new Secret(''), database: 'd' }
  await assert.rejects(PostgresConnection.open(address), wrong('REDIRECT_DENIED', 'halt'))
})
