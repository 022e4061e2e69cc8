import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConnection, type Connection } from 'mysql2/promise'
import { Secret } from '../../../core/secret.ts'
import { PlainLoads } from '../../../clients/stream-load/plain-load.ts'
import { startStarRocksEmulator, type StarRocksEmulator } from '../starrocks/index.ts'

function connect(emulator: StarRocksEmulator, password = 'canary'): Promise<Connection> {
  return createConnection({ host: '127.0.0.1', port: emulator.queryPort, user: 'root', password, rowsAsArray: true })
}

test('a table made over the MySQL protocol is loaded over HTTP and read back with exact values', async () => {
  await using emulator = await startStarRocksEmulator({ password: 'canary', queryPort: 0 })
  const connection = await connect(emulator)
  await connection.query('CREATE DATABASE IF NOT EXISTS shop')
  await connection.query('USE shop')
  await connection.query(
    `CREATE TABLE IF NOT EXISTS \`orders\` (
       id LARGEINT NOT NULL COMMENT 'a, (b)', price DECIMAL(27, 9) DEFAULT "0", \`at\` DATETIME, note VARCHAR(20) NULL
     ) ENGINE=OLAP PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 4 PROPERTIES ("replication_num" = "1")`,
  )
  const { urls, backends } = emulator
  const endpoint = { urls, backends, username: 'root', password: new Secret('canary'), allowPlaintext: false }
  await using loads = new PlainLoads('starrocks', endpoint)
  const row = `{"id":170141183460469231731687303715884105727,"price":"123456789012345678.123456789","at":"2026-02-28 23:59:59.000001"}`
  const load = await loads.load({ database: 'shop', table: 'orders', label: 'one', headers: [['format', 'json']] })
  await load.write(Buffer.from(row))
  assert.equal((await load.end()).kind, 'loaded')
  const [rows] = await connection.query('SELECT id, price, `at`, note FROM shop.orders')
  assert.deepEqual(rows, [
    ['170141183460469231731687303715884105727', '123456789012345678.123456789', '2026-02-28 23:59:59.000001', null],
  ])
  assert.deepEqual((await connection.query('SHOW TABLES'))[0], [['orders']])
  await connection.query('DROP TABLE orders')
  await assert.rejects(connection.query('SELECT * FROM shop.orders'), /orders/)
  await connection.end()
})

test('a wrong password is refused, and so is what the emulator cannot do', async () => {
  await using emulator = await startStarRocksEmulator({ password: 'canary', queryPort: 0 })
  await assert.rejects(connect(emulator, 'wrong'), /Access denied/)
  const connection = await connect(emulator)
  await assert.rejects(connection.query('INSERT INTO t VALUES (1)'), /the emulator answers SELECT/)
  await assert.rejects(connection.query("SELECT * FROM read_text('/etc/hostname')"), /disabled/)
  await connection.end()
})

test('no port is opened unless it is asked for', async () => {
  await using emulator = await startStarRocksEmulator()
  assert.equal(emulator.queryPort, 0)
})
