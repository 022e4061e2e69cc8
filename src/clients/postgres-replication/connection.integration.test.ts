import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startDatabase, useDatabase } from '../../../scripts/services/databases.ts'
import { Secret } from '../../core/secret.ts'
import { parsePgAddress } from './address.ts'
import { PgConnection } from './connection.ts'

function connect(
  url: string,
  sslMode: string,
  more: { ca?: string | undefined; password?: string } = {},
): Promise<PgConnection> {
  const { host, username, password } = new URL(url)
  return PgConnection.open({
    address: parsePgAddress(`postgres://${host}/postgres?sslmode=${sslMode}`),
    username,
    password: new Secret(more.password ?? password),
    ca: more.ca,
    isReplication: false,
    applicationName: 'test',
  })
}

suite('connections to Postgres', () => {
  test('TLS is used as sslmode says, and certificates are checked where it says so', async () => {
    await using server = await startDatabase('postgres', { tls: true })
    const isEncrypted = async (sslMode: string, ca?: string): Promise<boolean> => {
      await using connection = await connect(server.url, sslMode, { ca })
      const [row] = await connection.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()', 'asking')
      assert.equal(row?.[0] === 't', connection.isEncrypted)
      return connection.isEncrypted
    }
    assert.equal(await isEncrypted('disable'), false)
    assert.equal(await isEncrypted('prefer'), true)
    assert.equal(await isEncrypted('require'), true)
    assert.equal(await isEncrypted('verify-ca', server.ca), true)
    assert.equal(await isEncrypted('verify-full', server.ca), true)
    await assert.rejects(connect(server.url, 'verify-full'), { code: 'AUTH', retry: 'halt' })
  })

  test('a server without TLS is refused where it is wanted, and a wrong password is', async () => {
    await using server = await useDatabase('postgres')
    await assert.rejects(connect(server.url, 'require'), { code: 'CONFIG', message: /has no TLS/ })
    await assert.rejects(connect(server.url, 'prefer', { password: 'wrong' }), { code: 'AUTH', retry: 'halt' })
    await using connection = await connect(server.url, 'prefer')
    assert.equal(connection.isEncrypted, false)
  })

  test('a refused statement leaves the connection usable, and a broken one says what it was doing', async () => {
    await using server = await useDatabase('postgres')
    await using connection = await connect(server.url, 'disable')
    await assert.rejects(connection.query('SELECT * FROM nowhere', 'looking'), {
      code: 'SCHEMA',
      message: /^looking: /,
    })
    assert.deepEqual(await connection.query(`SELECT 1, NULL, 'ü'`, 'asking'), [['1', null, 'ü']])
    await using other = await connect(server.url, 'disable')
    const asked = connection.query('SELECT pg_sleep(60)', 'sleeping')
    const refused = assert.rejects(asked, { code: 'UNAVAILABLE', retry: 'restart', message: /^sleeping: / })
    await other.query(`SELECT pg_terminate_backend(${connection.pid})`, 'ending')
    await refused
  })
})
