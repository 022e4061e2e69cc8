import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { startMariadb } from '../../../scripts/services/mariadb.ts'
import { MillraceError } from '../../core/errors.ts'
import { Secret } from '../../core/secret.ts'
import { MysqlConnection, MysqlPool, quoteMysqlText, type MysqlAddress } from './index.ts'

function addressOf(url: string): MysqlAddress {
  const { hostname, port, username, password } = new URL(url)
  return { host: hostname, port: Number(port), user: username, password: new Secret(password) }
}

const wrong = (code: string, retry: string) => (error: unknown) =>
  error instanceof MillraceError && error.code === code && error.retry === retry

for (const name of ['mariadb', 'mysql', 'mysql80'] as const) {
  test(`${name}: values come back digit for digit, bytes as bytes`, async () => {
    await using server = await useDatabase(name)
    await using connection = await MysqlConnection.open(addressOf(server.url))
    assert.equal(connection.server.flavour, name === 'mariadb' ? 'mariadb' : 'mysql')
    const decimal = `${'9'.repeat(35)}.${'9'.repeat(30)}`
    const { rows } = await connection.query(
      `SELECT CAST(18446744073709551615 AS UNSIGNED), CAST('${decimal}' AS DECIMAL(65,30)), ` +
        `TIMESTAMP'2026-01-02 03:04:05.678901', X'00FF27', ${quoteMysqlText("it's \\ 🦀\n")}, NULL, 1e300, DATE'2026-02-28'`,
    )
    const expected = ['18446744073709551615', decimal, '2026-01-02 03:04:05.678901', Buffer.from([0, 255, 39])]
    assert.deepEqual(rows[0]?.slice(0, 6), [...expected, "it's \\ 🦀\n", null])
    assert.deepEqual([Number(rows[0]?.[6]), rows[0]?.[7]], [1e300, '2026-02-28'])
  })
}

test('errors say whether the transaction may be run again, and quote no value', async () => {
  await using server = await useDatabase('mariadb')
  const database = `t_${randomUUID().replaceAll('-', '')}`
  await using connection = await MysqlConnection.open(addressOf(server.url))
  await connection.query(`CREATE DATABASE ${database}`)
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => void (await connection.query(`DROP DATABASE ${database}`)))
  await connection.query(`CREATE TABLE ${database}.t (id INT PRIMARY KEY, small TINYINT, name VARCHAR(3))`)
  await assert.rejects(connection.query(`INSERT INTO ${database}.t VALUES (1, 300, 'a')`), wrong('POISON', 'halt'))
  await assert.rejects(connection.query(`INSERT INTO ${database}.t VALUES (1, 1, 'secret')`), (error: Error) => {
    assert.match(error.message, /ER_DATA_TOO_LONG \(1406\): column name/)
    assert.doesNotMatch(error.message, /secret/)
    return true
  })
  await assert.rejects(connection.query(`SELECT * FROM ${database}.missing`), wrong('SCHEMA', 'halt'))
  await assert.rejects(connection.query('SELEKT'), wrong('INTERNAL', 'halt'))
  const bad = { ...addressOf(server.url), password: new Secret('wrong') }
  await assert.rejects(MysqlConnection.open(bad), wrong('AUTH', 'halt'))
  await assert.rejects(MysqlConnection.open({ ...addressOf(server.url), port: 1 }), wrong('UNAVAILABLE', 'retry'))
})

test('a killed connection is an error that may be retried, and a pool opens another one', async () => {
  await using server = await useDatabase('mariadb')
  await using pool = new MysqlPool(addressOf(server.url), 1)
  await using other = await MysqlConnection.open(addressOf(server.url))
  await pool.use(async (connection) => {
    const { rows } = await connection.query('SELECT CONNECTION_ID()')
    await other.query(`KILL ${String(rows[0]?.[0])}`)
    await assert.rejects(connection.query('SELECT 1'), wrong('UNAVAILABLE', 'retry'))
    assert.equal(connection.isUsable, false)
  })
  const { rows } = await pool.query('SELECT 1')
  assert.deepEqual(rows, [['1']])
})

test('a certificate that nobody vouches for is refused, one of the given authority is taken', async () => {
  await using server = await startMariadb({ tls: true })
  const address = addressOf(server.url)
  await assert.rejects(MysqlConnection.open({ ...address, tls: {} }), wrong('AUTH', 'halt'))
  await using connection = await MysqlConnection.open({ ...address, tls: { ca: server.ca } })
  const { rows } = await connection.query("SHOW STATUS LIKE 'Ssl_cipher'")
  assert.notEqual(rows[0]?.[1], '')
})

test('an address of instance metadata is never connected to', async () => {
  const address = { host: '169.254.169.254', port: 80, user: 'u', password: new Secret('') }
  await assert.rejects(MysqlConnection.open(address), wrong('REDIRECT_DENIED', 'halt'))
})
