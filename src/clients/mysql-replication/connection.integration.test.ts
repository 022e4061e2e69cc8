/** Logging in: over TLS and without, with each method of the servers, and what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startDatabase } from '../../../scripts/services/databases.ts'
import { Secret } from '../../core/secret.ts'
import { MysqlConnection, type MysqlAddress } from './connection.ts'

for (const server of ['mariadb', 'mysql'] as const) {
  test(`${server}: logins with and without TLS`, async () => {
    const service = await startDatabase(server, { tls: true })
    try {
      const { hostname, port, username, password } = new URL(service.url)
      const plain: MysqlAddress = {
        host: hostname,
        port: Number(port),
        username,
        password: new Secret(password),
        allowPlaintext: false,
        connectTimeoutMs: 10_000,
      }
      const encrypted = { ...plain, tls: { ca: service.ca, insecureSkipVerify: false } }
      const isEncrypted = async (address: MysqlAddress): Promise<boolean> => {
        await using connection = await MysqlConnection.open(address)
        const [row] = await connection.query("SHOW STATUS LIKE 'Ssl_cipher'")
        return (row?.[1] ?? '') !== ''
      }
      assert.equal(await isEncrypted(plain), false)
      assert.equal(await isEncrypted(encrypted), true)
      await using admin = await MysqlConnection.open(encrypted)
      // A server that has not seen the user wants the whole password: encrypted by its key, or by TLS.
      for (const [user, address] of [
        ['plain', plain],
        ['encrypted', encrypted],
      ] as const) {
        await admin.query(`CREATE USER ${user}@'%' IDENTIFIED BY 'pw'`)
        for (let time = 0; time < 2; time++) {
          await isEncrypted({ ...address, username: user, password: new Secret('pw') })
        }
      }
      // Whoever has no authority of ours is not believed; whoever is not there, neither.
      await assert.rejects(isEncrypted({ ...plain, tls: { insecureSkipVerify: false } }), { code: 'UNAVAILABLE' })
      assert.equal(await isEncrypted({ ...plain, tls: { insecureSkipVerify: true } }), true)
      await assert.rejects(isEncrypted({ ...plain, password: new Secret('no') }), { code: 'AUTH', retry: 'halt' })
    } finally {
      await service.stop()
    }
  })
}

test('a host that is not loopback is not logged in to without TLS, and metadata services never', async () => {
  const address: MysqlAddress = {
    host: 'db.example',
    port: 3306,
    username: 'u',
    password: new Secret('p'),
    allowPlaintext: false,
    connectTimeoutMs: 1000,
  }
  await assert.rejects(MysqlConnection.open(address), { code: 'CONFIG', message: /allowPlaintext/ })
  const metadata = { ...address, host: '169.254.169.254', allowPlaintext: true }
  await assert.rejects(MysqlConnection.open(metadata), { code: 'REDIRECT_DENIED' })
})
