/** A standby takes over: with the slot the job goes on, without it, or with less than was read, it halts. */
import assert from 'node:assert/strict'
import { chmod, mkdtempDisposable, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startDatabase } from '../../../scripts/services/databases.ts'
import { run } from '../../../scripts/services/java-jars.ts'
import type { DatabaseService } from '../../../scripts/services/server-process.ts'
import { parsePgAddress, PgConnection } from '../../clients/postgres-replication/index.ts'
import { Secret } from '../../core/secret.ts'
import { FollowedSource } from '../../testkit/followed-source.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'
import { postgresCdcOptions } from './options.ts'
import { PostgresCdcSource } from './source.ts'

test('a standby that has the slot goes on where the job was', async () => {
  await using pair = await Pair.create()
  await using source = await pair.read(1)
  await pair.primary.sql('INSERT INTO t VALUES (2)')
  await source.readUntil(() => source.count === 2)
  await pair.caughtUp()
  // As tools for failover do before PostgreSQL 17, whose standbys can keep slots by themselves.
  await pair.copySlot()
  await pair.promote()
  await using standby = await pair.session()
  await standby.query('INSERT INTO t VALUES (3)', 'writing on the new primary')
  await source.start(pair.sourceOf(pair.standby.url))
  await source.readUntil(() => source.count === 3)
  assert.deepEqual(source.records, ['{"id":1,"__op":0}', '{"id":2,"__op":0}', '{"id":3,"__op":0}'])
})

test('a standby without the slot halts the job, and one that lacks what was read does too', async () => {
  await using pair = await Pair.create()
  await using source = await pair.read(1)
  await pair.caughtUp()
  await pair.copySlot()
  await using standby = await pair.session()
  await standby.query(`ALTER SYSTEM SET primary_conninfo = ''`, 'cutting the standby off')
  await standby.query('SELECT pg_reload_conf()', 'cutting the standby off')
  await until(standby, 'SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)')
  await pair.primary.sql('INSERT INTO t VALUES (2)')
  await source.readUntil(() => source.count === 2)
  await pair.promote()
  const restart = (): Promise<void> => source.start(pair.sourceOf(pair.standby.url))
  await assert.rejects(restart(), { code: 'POSITION_AHEAD', retry: 'halt' })
  await standby.query(`SELECT pg_drop_replication_slot('${pair.slot}')`, 'dropping the slot')
  await assert.rejects(restart(), { code: 'POSITION_LOST', retry: 'halt', message: /does not exist any more/ })
})

/** A primary with a table of one row, and its standby. */
class Pair implements AsyncDisposable {
  readonly primary: PostgresDatabase
  readonly standby: DatabaseService
  readonly #old: DatabaseService
  readonly #stack: AsyncDisposableStack

  static async create(): Promise<Pair> {
    await using stack = new AsyncDisposableStack()
    const directory = stack.use(await mkdtempDisposable(path.join(tmpdir(), 'millrace-failover-')))
    // The server is another user than we.
    await chmod(directory.path, 0o755)
    const old = stack.use(await startDatabase('postgres', { dataDir: path.join(directory.path, 'a') }))
    const primary = await PostgresDatabase.create(old.url)
    await primary.sql('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)')
    await old.stop()
    const dataDir = path.join(directory.path, 'b')
    run('cp', ['-a', old.dataDir, dataDir])
    await writeFile(path.join(dataDir, 'data/standby.signal'), '')
    await old.restart()
    await primary.reconnect()
    const { hostname, port, username, password } = new URL(old.url)
    const upstream = `host=${hostname} port=${port} user=${username} password=${password}`
    const settings = [`primary_conninfo = '${upstream}'`, 'hot_standby_feedback = on']
    const standby = stack.use(await startDatabase('postgres', { dataDir, settings }))
    return new Pair(primary, old, standby, stack.move())
  }

  private constructor(
    primary: PostgresDatabase,
    old: DatabaseService,
    standby: DatabaseService,
    stack: AsyncDisposableStack,
  ) {
    this.primary = primary
    this.#old = old
    this.standby = standby
    this.#stack = stack
  }

  get slot(): string {
    return `${this.primary.name}_slot`
  }

  sourceOf(url: string): PostgresCdcSource {
    const options = { ...this.primary.options, table: 't', slot: this.slot }
    const { host } = new URL(url)
    return new PostgresCdcSource(
      postgresCdcOptions.parse({ ...options, url: `postgres://${host}/${this.primary.name}` }),
    )
  }

  /** A source that has read so many rows and follows the log. */
  async read(rows: number): Promise<FollowedSource> {
    const source = new FollowedSource(this.sourceOf(this.#old.url))
    await source.start()
    await source.readUntil(() => source.count === rows && source.positions.has('wal'))
    return source
  }

  /** A session of the standby. */
  session(): Promise<PgConnection> {
    const { host, username, password } = new URL(this.standby.url)
    return PgConnection.open({
      address: parsePgAddress(`postgres://${host}/${this.primary.name}?sslmode=disable`),
      username,
      password: new Secret(password),
      isReplication: false,
      applicationName: 'test',
    })
  }

  /** Waits until the standby has everything. */
  async caughtUp(): Promise<void> {
    const [[end] = []] = await this.primary.sql('SELECT pg_current_wal_flush_lsn()')
    await using standby = await this.session()
    await until(standby, `SELECT pg_last_wal_replay_lsn() >= '${end}'`)
  }

  async copySlot(): Promise<void> {
    const of = (server: DatabaseService): string => path.join(server.dataDir, 'data/pg_replslot', this.slot)
    await this.primary.sql('CHECKPOINT')
    await this.standby.kill()
    await rm(of(this.standby), { recursive: true, force: true })
    run('cp', ['-a', of(this.#old), of(this.standby)])
    await this.standby.restart()
  }

  async promote(): Promise<void> {
    await this.#old.kill()
    await using standby = await this.session()
    await standby.query('SELECT pg_promote()', 'promoting the standby')
    await until(standby, 'SELECT NOT pg_is_in_recovery()')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

async function until(connection: PgConnection, question: string): Promise<void> {
  while ((await connection.query(question, 'waiting'))[0]?.[0] !== 't') await pause(20)
}
