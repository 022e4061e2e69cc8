/**
 * Tables that come later, are read again, or paused, while others are followed and everybody writes. Every row and every
 * change has to come once, wherever the job dies.
 */
import assert from 'node:assert/strict'
import { after, before, suite, test, type TestContext } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import type { PgConnection } from '../../clients/postgres-replication/index.ts'
import { FollowedSource } from '../../testkit/followed-source.ts'
import { realClock } from '../../testkit/lane-context.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'
import { postgresCdcOptions } from './options.ts'
import { PostgresCdcSource } from './source.ts'
import { walPositionFromJson, type WalReads } from './wal-position.ts'
import { seeded } from '../../testkit/seeded.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
const ROWS = 200
/** Deaths in a usual run. */
const SAMPLE = 2
const DEADLINE_MS = 180_000

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

suite('tables that join the log of a Postgres server', () => {
  test('a table that comes while others are followed has all of its rows and changes once', async (t) => {
    await using world = await World.create(t)
    for (const [at, isPublished] of deaths(world.random)) {
      const round = (world.reads?.round ?? 0) + 1
      const table = await world.makeTable(`t_new${round}`)
      const isReached = await world.readThrough(() => world.reads?.round === round, { at, isPublished })
      await world.checkStrictly()
      if (!isReached) break
      await world.dropTable(table)
    }
  })

  test('a table that is named later has its rows, and one that is not named any more is new when it comes back', async (t) => {
    await using world = await World.create(t)
    await world.makeTable('other')
    await world.restart({ tables: ['public\\.(t.*|other)'] })
    await world.readThrough(() => world.reads?.round === 1)
    await world.checkStrictly()
    await world.restart({ tables: ['public\\.t.*'] })
    await world.readThrough(() => world.reads?.joined.length === 0)
    assert.equal(world.reads?.wanted.length, 0)
    await world.restart({ tables: ['public\\.(t.*|other)'] })
    await world.readThrough(() => world.reads?.round === 2)
    await world.caughtUp('other')
    // What was deleted meanwhile stays.
    const rows = new Set(world.rowsOf('other'))
    assert.deepEqual(
      (await world.rowsThere('other')).filter((row) => !rows.has(row)),
      [],
    )
  })

  for (const [name, options] of [
    ['a table that is read again keeps nothing that is not there, and each occasion counts once', {}],
    ['the one table of a source is read again, and its log misses nothing meanwhile', { table: 'public.t0' }],
  ] as const) {
    test(name, async (t) => {
      await using world = await World.create(t, options)
      let occasion = 0
      for (const [at, isPublished] of deaths(world.random)) {
        const resync = { 'public.t0': `occasion ${++occasion}` }
        const round = (world.reads?.round ?? 0) + 1
        await world.restart({ resync })
        const isReached = await world.readThrough(() => world.reads?.round === round, { at, isPublished })
        await world.check()
        await world.restart({ resync })
        await world.readThrough(() => true)
        assert.deepEqual([world.reads?.round, world.reads?.held, world.reads?.again], [round, {}, {}])
        if (!isReached) break
      }
    })
  }

  test('a paused table stands still while the other goes on, and misses nothing', async (t) => {
    await using world = await World.create(t)
    const isHeld = (): boolean => Object.keys(world.reads?.held ?? {}).length === 1
    for (const [at, isPublished] of deaths(world.random)) {
      await world.restart({ paused: ['public\\.t0'] })
      const isReached = await world.readThrough(isHeld, { at, isPublished })
      await world.caughtUp('t1')
      const before = world.rowsOf('t0')
      await world.readThrough(() => true, { at, isPublished })
      await world.caughtUp('t1')
      assert.deepEqual(world.rowsOf('t0'), before)
      await world.restart({})
      await world.readThrough(() => !isHeld(), { at, isPublished })
      await world.checkStrictly()
      if (!isReached) break
    }
  })

  test('a new table that is gone before it was read stops nobody', async (t) => {
    await using world = await World.create(t)
    const table = await world.makeTable()
    await world.readThrough(() => world.source.splits.some((split) => split.endsWith('@1')), { writes: false })
    await world.dropTable(table)
    await world.readThrough(() => world.reads?.round === 1)
    await world.makeTable(table)
    await world.readThrough(() => world.reads?.round === 2)
    await world.check()
  })

  test('with `latest` a table that is made later has all of its rows, and one that is named later has none', async (t) => {
    await using world = await World.create(t, { start: 'latest' })
    const made = await world.makeTable()
    await world.readThrough(() => world.reads?.round === 1)
    await world.caughtUp(made)
    assert.deepEqual(world.rowsOf(made), await world.rowsThere(made))
    await world.makeTable('other')
    await world.restart({ start: 'latest', tables: ['public\\.(t.*|other)'] })
    await world.readThrough(() => world.reads?.round === 2)
    await world.caughtUp('other')
    assert.ok(
      !world.source.records.some((record) => record.startsWith('public.other ') && record.includes('"_op":"r"')),
    )
  })
})

/** Behind how many items to die, and whether the last one was published. */
function* deaths(random: () => number): Generator<readonly [at: number, isPublished: boolean]> {
  // Nothing takes so many items.
  for (let at = 0; isFull && at < 30; at++) yield* [[at, false] as const, [at, true] as const]
  for (let times = 0; !isFull && times < SAMPLE; times++) yield [Math.floor(random() * 12), random() < 0.5]
}

/** A database with tables that somebody changes in transactions over all of them, and the source that follows. */
class World implements AsyncDisposable {
  readonly source: FollowedSource
  readonly random: () => number
  readonly #database: PostgresDatabase
  readonly #options: object
  readonly #tables: string[] = []
  #slow: PgConnection
  #isSlowOpen = false

  /** With `table` a source of that one alone, the first that is made; its records do not say their table. */
  static async create(t: TestContext, options: object = {}): Promise<World> {
    const database = await PostgresDatabase.create(server.url)
    const world = new World(database, seeded(t), options, await database.session())
    await world.makeTable()
    await world.makeTable()
    await world.source.start(world.#sourceOf({}))
    await world.readThrough(() => world.reads !== undefined)
    return world
  }

  private constructor(database: PostgresDatabase, random: () => number, options: object, slow: PgConnection) {
    this.random = random
    this.#database = database
    this.#options = options
    this.#slow = slow
    // Whatever is looked for now and then is looked for at once.
    let now = 0
    this.source = new FollowedSource(this.#sourceOf({}), undefined, { ...realClock, now: () => (now += 60_000) })
  }

  /** What the published position says of the tables that are read. */
  get reads(): WalReads | undefined {
    const at = this.source.positions.get('wal')
    return at === undefined ? undefined : walPositionFromJson(at).reads
  }

  async makeTable(name = `t${this.#tables.length}`): Promise<string> {
    await this.#database.sql(
      `CREATE TABLE ${name} (id int PRIMARY KEY, v int); INSERT INTO ${name} SELECT n, 0 FROM generate_series(1, ${ROWS}) n; ANALYZE ${name}`,
    )
    if (!this.#tables.includes(name)) this.#tables.push(name)
    return name
  }

  async dropTable(name: string): Promise<void> {
    await this.#endSlow()
    await this.#database.sql(`DROP TABLE ${name}`)
    this.#tables.splice(this.#tables.indexOf(name), 1)
  }

  async restart(options: object): Promise<void> {
    await this.source.start(this.#sourceOf(options))
  }

  /** Reads on while others write, until it is done. Returns false when that was before it was to die. */
  async readThrough(
    isDone: () => boolean,
    {
      at = Number.POSITIVE_INFINITY,
      isPublished = false,
      writes = true,
    }: { readonly at?: number; readonly isPublished?: boolean; readonly writes?: boolean } = {},
  ): Promise<boolean> {
    const deadline = AbortSignal.timeout(DEADLINE_MS)
    let items = 0
    let isDead = false
    do {
      assert.ok(!deadline.aborted, 'the tables are there in time')
      if (writes) await this.#write()
      else await this.#endSlow()
      if (!isDead && items >= at) {
        isDead = true
        if (isPublished) await this.source.readOneItem()
        else await this.source.start()
      }
      items += await this.source.poll()
      if (isDead || items < at) await this.source.publish()
    } while (!isDone())
    return isDead
  }

  /** All tables are equal, and every change followed from what was there. */
  async checkStrictly(): Promise<void> {
    await this.check(true)
  }

  async check(isStrict = false): Promise<void> {
    const tables = this.#isOne ? this.#tables.slice(0, 1) : this.#tables
    for (const table of tables) await this.caughtUp(table)
    for (const table of tables) {
      assert.deepEqual(this.rowsOf(table, isStrict), await this.rowsThere(table), table)
    }
  }

  /** Reads on until a row that is written now has come. */
  async caughtUp(table: string): Promise<void> {
    await this.#endSlow()
    const [[marker] = []] = await this.#database.sql(
      `INSERT INTO ${table} SELECT least(min(id), 0) - 1, 0 FROM ${table} RETURNING id`,
    )
    const row = `${this.#nameOf(table)}{"id":${marker},`
    await this.source.readUntil(() => this.source.records.some((record) => record.startsWith(row)))
  }

  /** What the records make of a table. */
  rowsOf(table: string, isStrict = false): string[] {
    const rows = new Map<number, number>()
    const name = this.#nameOf(table)
    for (const record of this.source.records.filter((one) => one.startsWith(name))) {
      const { id, v, _op } = JSON.parse(record.slice(name.length)) as { id: number; v: number; _op: string }
      if (isStrict) assert.equal(rows.has(id), _op === 'u' || _op === 'd', `${table}: ${_op} of ${id}`)
      if (_op === 'd') rows.delete(id)
      else rows.set(id, v)
    }
    return [...rows].map(([id, v]) => `${id} ${v}`).toSorted()
  }

  async rowsThere(table: string): Promise<string[]> {
    const rows = await this.#database.sql(`SELECT id || ' ' || v FROM ${table}`)
    return rows.map(([text]) => text ?? '').toSorted()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#slow.close()
    await this.source[Symbol.asyncDispose]()
    await this.#database[Symbol.asyncDispose]()
  }

  get #isOne(): boolean {
    return 'table' in this.#options
  }

  #nameOf(table: string): string {
    return this.#isOne ? '' : `public.${table} `
  }

  #sourceOf(more: object): PostgresCdcSource {
    const slot = `${this.#database.name}_slot`
    const tables = this.#isOne ? {} : { tables: ['public\\.t.*'] }
    const options = { ...tables, slot, chunkRows: 100, changeColumns: ['_op'] }
    return new PostgresCdcSource(
      postgresCdcOptions.parse({ ...this.#database.options, ...options, ...this.#options, ...more }),
    )
  }

  /** A transaction over all tables, and now and then a part of one that stays open for some time. */
  async #write(): Promise<void> {
    await this.#database.sql(`BEGIN; ${this.#changes(1)}; ${this.random() < 0.1 ? 'ROLLBACK' : 'COMMIT'}`)
    if (this.random() > 0.3) return
    if (this.#isSlowOpen && this.random() < 0.5) return await this.#endSlow()
    await this.#slow.query(this.#isSlowOpen ? this.#changes(ROWS) : `BEGIN; ${this.#changes(ROWS)}`, 'writing slowly')
    this.#isSlowOpen = true
  }

  async #endSlow(): Promise<void> {
    if (this.#isSlowOpen) await this.#slow.query('COMMIT', 'ending what was slow')
    this.#isSlowOpen = false
  }

  /** Of keys above `least`: two sessions never wait for each other. */
  #changes(least: number): string {
    const span = ROWS - 10
    const id = (): number => least + Math.floor(this.random() * span)
    return this.#tables
      .flatMap((table) => [
        `UPDATE ${table} SET v = v + 1 WHERE id BETWEEN ${id()} AND ${least + span}`,
        `DELETE FROM ${table} WHERE id = ${id()}`,
        `INSERT INTO ${table} VALUES (${id()}, -1) ON CONFLICT DO NOTHING`,
      ])
      .join('; ')
  }
}
