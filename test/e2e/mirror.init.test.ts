/** `init --from … --to …` between SQL servers: what it writes runs as it is, and what it finds on both sides is said. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { databaseVariable, useDatabase, type DatabaseName } from '../../scripts/services/databases.ts'
import { openSqlTarget, type SqlTarget } from '../../src/testkit/sql-target.ts'
import { CommandLine } from './command-line.ts'
import { openMysql, openPostgres, type MirrorSource } from './kit/mirror-sources.ts'

/** The address of a target, as `--to` takes it. */
function addressOf({ url, username }: SqlTarget, scheme: string): string {
  return url.replace(/^\w+:\/\//, `${scheme}://${username}@`)
}

const VALUES: readonly string[] = [
  "(1, 18446744073709551615, 12345678901234567890.1234567891, '2026-01-02 03:04:05.123456', '2026-02-28', 'a ü \u{1f600}', 0.1)",
  "(2, 0, -0.0000000001, '1999-12-31 23:59:59.999999', '1970-01-01', '', -1024.5)",
  '(3, NULL, NULL, NULL, NULL, NULL, NULL)',
]
const ORDERS =
  'CREATE TABLE orders (id bigint PRIMARY KEY, big BIG, amount decimal(30,10), at MOMENT, day date, note TEXT, x DOUBLE)'

interface Pair {
  readonly from: string
  readonly open: () => Promise<MirrorSource>
  readonly to: DatabaseName
  readonly scheme: string
  /** What the source calls types. */
  readonly types: Readonly<Record<string, string>>
}

const PAIRS: readonly Pair[] = [
  {
    ...{ from: 'MySQL', open: openMysql, to: 'postgres', scheme: 'postgres' },
    types: { BIG: 'bigint unsigned', MOMENT: 'datetime(6)', TEXT: 'text CHARACTER SET utf8mb4', DOUBLE: 'double' },
  },
  {
    ...{ from: 'PostgreSQL', open: openPostgres, to: 'mariadb', scheme: 'mariadb' },
    types: { BIG: 'numeric(20,0)', MOMENT: 'timestamp(6)', TEXT: 'text', DOUBLE: 'double precision' },
  },
]
const TIDB: Pair = {
  ...{ from: 'MySQL', open: openMysql, to: 'tidb', scheme: 'tidb' },
  types: { BIG: 'bigint unsigned', MOMENT: 'datetime(6)', TEXT: 'text CHARACTER SET utf8mb4', DOUBLE: 'double' },
}
// Where it was compiled.
const hasTidb = (process.env[databaseVariable('tidb')] ?? '') !== ''

for (const { from, open, to, scheme, types } of hasTidb ? [...PAIRS, TIDB] : PAIRS) {
  test(`a database in ${from} is mirrored into ${to} with what init writes`, async () => {
    await using source = await open()
    await using server = await useDatabase(to)
    await using target = await openSqlTarget(server.url)
    await using made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-init-'))
    await source.run(ORDERS.replaceAll(/[A-Z]+(?=[,)])/g, (word) => types[word] ?? word))
    await source.run(`INSERT INTO orders VALUES ${VALUES.join(', ')}`)
    await source.run(
      'CREATE TABLE users (id integer, part varchar(20), name varchar(20) NOT NULL, PRIMARY KEY (part, id))',
    )
    await source.run("INSERT INTO users VALUES (7, 'A', 'x'), (7, 'b', 'y')")
    await source.run('CREATE TABLE log (line varchar(20))')

    const environment = { ...source.environment, TARGET_PASSWORD: target.password }
    const place = { directory: made.path, environment }
    await using init = new CommandLine(
      place,
      'init',
      'shop',
      '--from',
      source.address,
      '--to',
      addressOf(target, scheme),
    )
    assert.deepEqual(await init.ended(), { code: 0, signal: null }, init.out + init.err)
    assert.match(init.out, /2 tables/)
    const file = path.join(made.path, 'shop.yaml')
    const text = readFileSync(file, 'utf8')
    assert.match(text, /^# - .*log has no primary key and is left out\.$/m)
    assert.ok(!text.includes('mill-secret'), 'no password is in the file')
    writeFileSync(file, text.replace(/interval: 10s.*/, 'interval: 200ms'))

    await using run = new CommandLine(place, 'run', 'shop.yaml')
    const mirrored = async (table: string): Promise<void> => {
      const all = `SELECT * FROM ${table} ORDER BY 1, 2`
      const wanted = await source.query(all)
      // The table may not be made yet.
      const there = (): Promise<unknown> => target.query(all).catch(String)
      for (let left = 1200; left > 0 && !run.hasEnded; left--) {
        if (JSON.stringify(await there()) === JSON.stringify(wanted)) return
        await pause(100)
      }
      assert.deepEqual(await there(), wanted, `${run.out}${run.err}`)
    }
    await mirrored('orders')
    await mirrored('users')
    await source.run('ALTER TABLE orders ADD COLUMN more varchar(10)')
    await source.run("INSERT INTO orders (id, more) VALUES (4, 'new')")
    await source.run("UPDATE orders SET note = 'z' WHERE id = 1")
    await source.run('DELETE FROM orders WHERE id = 2')
    await source.run("UPDATE users SET id = 8, name = 'z' WHERE part = 'b'")
    await mirrored('orders')
    await mirrored('users')
    run.signal('SIGTERM')
    assert.deepEqual(await run.ended(), { code: 0, signal: null }, run.out + run.err)
  })
}
