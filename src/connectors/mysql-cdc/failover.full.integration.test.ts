/** A replica takes over: the job goes on there by GTID, unless it lacks what was read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startDatabase, type DatabaseName } from '../../../scripts/services/databases.ts'
import type { Follower } from '../../testkit/mysql-cdc/follower.ts'
import { MysqlWorld } from '../../testkit/mysql-cdc/mysql-world.ts'

const ATTACH: Readonly<Record<string, (url: URL) => readonly string[]>> = {
  mysql: ({ hostname, port, username, password }) => [
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '${hostname}', SOURCE_PORT = ${port}, SOURCE_USER = '${username}', ` +
      `SOURCE_PASSWORD = '${password}', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1`,
    'START REPLICA',
  ],
  mariadb: ({ hostname, port, username, password }) => [
    `CHANGE MASTER TO MASTER_HOST = '${hostname}', MASTER_PORT = ${port}, MASTER_USER = '${username}', ` +
      `MASTER_PASSWORD = '${password}', MASTER_USE_GTID = slave_pos`,
    'START SLAVE',
  ],
}
const DETACH: Readonly<Record<string, readonly string[]>> = {
  mysql: ['STOP REPLICA', 'RESET REPLICA ALL'],
  mariadb: ['STOP SLAVE', 'RESET SLAVE ALL'],
}

for (const name of ['mysql', 'mariadb'] as const) {
  test(`${name}: a replica that takes over goes on where the job was`, async () => {
    await using pair = await Pair.create(name)
    const { world, replica } = pair
    await using follower = await pair.follow()
    await write(world, 0)
    await follower.until(() => isThere(follower, world, 9))
    await pair.caughtUp(9)
    await replica.sql(...(DETACH[name] ?? []))
    // The old one is still there, and what it writes now is nobody's any more.
    await write(world, 20)
    await write(replica, 30)
    await follower.restart(pair.optionsOfReplica())
    await follower.until(() => isThere(follower, world, 39))
    const ids = [-1, ...upTo(10, 0), ...upTo(10, 30)]
    const expected = ids.map((id) => `${world.database}.t ${id}`)
    assert.deepEqual([...follower.rows.keys()].toSorted(), expected.toSorted())
  })

  test(`${name}: a replica that lacks what was read halts the job`, async () => {
    await using pair = await Pair.create(name)
    const { world, replica } = pair
    await using follower = await pair.follow()
    await pair.caughtUp(-1)
    await replica.sql(...(DETACH[name] ?? []))
    await write(world, 0)
    await follower.until(() => isThere(follower, world, 9))
    await assert.rejects(follower.restart(pair.optionsOfReplica()), { code: 'POSITION_AHEAD', retry: 'halt' })
  })
}

/** A server with a table of one row, and a replica of it. */
class Pair implements AsyncDisposable {
  readonly world: MysqlWorld
  /** The same database on the replica. */
  readonly replica: MysqlWorld
  readonly #stack: AsyncDisposableStack

  static async create(name: keyof typeof ATTACH & DatabaseName): Promise<Pair> {
    await using stack = new AsyncDisposableStack()
    const old = stack.use(await startDatabase(name))
    const taking = stack.use(await startDatabase(name, { settings: ['server_id=4711'] }))
    const world = stack.use(await MysqlWorld.create(old.url))
    await world.sql('CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (-1)')
    const replica = stack.use(await MysqlWorld.create(taking.url))
    // What it wrote itself so far would stand in the way.
    await replica.sql(
      `DROP DATABASE ${replica.database}`,
      name === 'mariadb' ? 'RESET MASTER' : 'RESET BINARY LOGS AND GTIDS',
    )
    await replica.sql(...(ATTACH[name]?.(new URL(old.url)) ?? []))
    while ((await replica.connection.query(`SHOW DATABASES LIKE '${world.database}'`)).length === 0) await pause(20)
    await replica.sql(`USE ${world.database}`)
    return new Pair(world, replica, stack.move())
  }

  private constructor(world: MysqlWorld, replica: MysqlWorld, stack: AsyncDisposableStack) {
    this.world = world
    this.replica = replica
    this.#stack = stack
  }

  /** A job that has read what is there and follows the log; it fails when a row is inserted twice. */
  async follow(): Promise<Follower> {
    const follower = this.world.follower(this.#options)
    await follower.discover()
    await follower.until(() => isThere(follower, this.world, -1) && follower.isFollowingLog)
    return follower
  }

  optionsOfReplica(): object {
    return this.replica.sourceOptions(this.#options)
  }

  /** Waits until the replica has this row. */
  async caughtUp(id: number): Promise<void> {
    const isThereNow = async (): Promise<boolean> =>
      (await this.replica.connection.query(`SELECT 1 FROM t WHERE id = ${id}`)).length > 0
    while (!(await isThereNow())) await pause(20)
  }

  get #options(): object {
    return { table: `${this.world.database}.t`, metadata: ['op'] }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

/** Ten rows. */
async function write(world: MysqlWorld, from: number): Promise<void> {
  for (const id of upTo(10, from)) await world.sql(`INSERT INTO t VALUES (${id})`)
}

function upTo(count: number, from: number): number[] {
  return Array.from({ length: count }, (_, at) => from + at)
}

function isThere({ rows }: Follower, { database }: MysqlWorld, id: number): boolean {
  return rows.has(`${database}.t ${id}`)
}
