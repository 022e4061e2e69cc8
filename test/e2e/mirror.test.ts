/** `init --from … --to …` looks at both sides, and what it writes mirrors a database whose tables change. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Emulator } from '../../src/testkit/emulators/options.ts'
import { CommandLine } from './command-line.ts'
import { CANARY } from './faults-kit/canary.ts'
import { openTransactions, startWarehouse } from './faults-kit/warehouse.ts'
import { openMysql, openPostgres } from './kit/mirror-sources.ts'

const rowsOf = (server: Emulator, table: string): unknown[] =>
  server
    .rows('copy', table)
    .map((row) => ({ ...row, id: Number(row['id']) }))
    .toSorted((left, right) => left.id - right.id)

for (const [kind, open, target] of [
  ['MySQL', openMysql, 'starrocks'],
  ['PostgreSQL', openPostgres, 'doris'],
] as const) {
  test(`a database in ${kind} is mirrored into ${target} with what init writes`, async () => {
    await using source = await open()
    await using server = await startWarehouse(target, { tables: [], queryPort: 0, backends: 1 })
    const made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-mirror-'))
    await source.run('CREATE TABLE orders (id bigint PRIMARY KEY, item varchar(20), price decimal(12,2))')
    await source.run("INSERT INTO orders VALUES (1, 'a ü', 1.50), (2, 'b', NULL)")
    await source.run('CREATE TABLE users (id integer PRIMARY KEY, name varchar(20) NOT NULL)')
    await source.run("INSERT INTO users VALUES (7, 'x')")
    await source.run('CREATE TABLE log (line varchar(20))')

    const environment = { ...source.environment, [`${target.toUpperCase()}_PASSWORD`]: CANARY }
    const place = { directory: made.path, environment }
    const frontend = new URL(server.urls[0] ?? '')
    const to = `${target}://root@${frontend.host}/copy?queryPort=${server.queryPort}`
    await using init = new CommandLine(place, 'init', 'shop', '--from', source.address, '--to', to)
    assert.deepEqual(await init.ended(), { code: 0, signal: null }, init.out + init.err)
    assert.match(init.out, /2 tables/)
    assert.match(init.out, /log has no primary key and is left out/)
    const file = path.join(made.path, 'shop.yaml')
    const text = readFileSync(file, 'utf8')
    assert.ok(!text.includes(CANARY) && !text.includes('mill-secret'), 'no password is in the file')
    writeFileSync(file, text.replace(/interval: 10s.*/, 'interval: 200ms'))

    await using run = new CommandLine(place, 'run', 'shop.yaml')
    const until = async (table: string, wanted: readonly unknown[]): Promise<void> => {
      for (let left = 300; left > 0 && !run.hasEnded; left--) {
        if (JSON.stringify(rowsOf(server, table)) === JSON.stringify(wanted)) return
        await pause(100)
      }
      assert.deepEqual(rowsOf(server, table), wanted, `${run.out}${run.err}`)
    }
    await until('orders', [
      { id: 1, item: 'a ü', price: '1.50' },
      { id: 2, item: 'b', price: null },
    ])
    await until('users', [{ id: 7, name: 'x' }])
    await source.run('ALTER TABLE orders ADD COLUMN note varchar(10)')
    await source.run("INSERT INTO orders VALUES (3, 'c', 3.00, 'new')")
    await source.run("UPDATE orders SET item = 'z' WHERE id = 1")
    await source.run('DELETE FROM orders WHERE id = 2')
    await source.run("UPDATE users SET id = 8, name = 'y'")
    await until('orders', [
      { id: 1, item: 'z', price: '1.50', note: null },
      { id: 3, item: 'c', price: '3.00', note: 'new' },
    ])
    await until('users', [{ id: 8, name: 'y' }])
    run.signal('SIGTERM')
    assert.deepEqual(await run.ended(), { code: 0, signal: null }, run.out + run.err)
    assert.deepEqual(openTransactions(server), [])
    await made.remove()
  })
}
