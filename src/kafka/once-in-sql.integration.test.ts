import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { suite, test } from 'node:test'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { useDatabase } from '../../scripts/services/databases.ts'
import { OnceInSql } from './index.ts'

/** A server, with connections that count what was done. */
interface World<Connection> extends AsyncDisposable {
  once(rememberMs: number): OnceInSql<Connection>
  connect(): Promise<Connection>
  work(connection: Connection): Promise<unknown>
  done(connection: Connection): Promise<number>
}

async function openPostgres(): Promise<World<pg.Client>> {
  const server = await useDatabase('postgres')
  const name = `once_${randomUUID().replaceAll('-', '')}`
  const open: pg.Client[] = []
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: new URL('/postgres', server.url).href })
    await client.connect()
    open.push(client)
    return client
  }
  await (await connect()).query(`CREATE TABLE ${name}_work (done integer)`)
  return {
    once: (rememberMs) => OnceInSql.postgres({ table: name, rememberMs }),
    connect,
    work: (client) => client.query(`INSERT INTO ${name}_work VALUES (1)`),
    done: async (client) => Number((await client.query(`SELECT count(*) AS n FROM ${name}_work`)).rows[0].n),
    async [Symbol.asyncDispose]() {
      await open[0]?.query(`DROP TABLE IF EXISTS ${name}, ${name}_work`)
      for (const client of open) await client.end()
      await server[Symbol.asyncDispose]()
    },
  }
}

async function openMariadb(): Promise<World<mysql.Connection>> {
  const server = await useDatabase('mariadb')
  const name = `once_${randomUUID().replaceAll('-', '')}`
  const open: mysql.Connection[] = []
  const connect = async (): Promise<mysql.Connection> => {
    const connection = await mysql.createConnection(server.url)
    open.push(connection)
    await connection.query('USE once_by_key')
    return connection
  }
  const first = await mysql.createConnection(server.url)
  await first.query('CREATE DATABASE IF NOT EXISTS once_by_key')
  await first.query(`CREATE TABLE once_by_key.${name}_work (done integer)`)
  return {
    once: (rememberMs) => OnceInSql.mysql({ table: name, rememberMs }),
    connect,
    work: (connection) => connection.query(`INSERT INTO ${name}_work VALUES (1)`),
    async done(connection) {
      const [rows] = await connection.query(`SELECT count(*) AS n FROM ${name}_work`)
      return Number((rows as mysql.RowDataPacket[])[0]?.['n'])
    },
    async [Symbol.asyncDispose]() {
      await first.query(`DROP TABLE IF EXISTS once_by_key.${name}, once_by_key.${name}_work`)
      for (const connection of [first, ...open]) await connection.end()
      await server[Symbol.asyncDispose]()
    },
  }
}

function cases<Connection>(server: string, open: () => Promise<World<Connection>>): void {
  void suite(server, () => {
    void test('what is delivered again changes nothing again, also by another process, and what failed is done', async () => {
      await using world = await open()
      const [one, other] = [await world.connect(), await world.connect()]
      const once = world.once(60_000)
      await once.createTable(one)
      await once.createTable(one)
      const failing = once.run(one, 'order 1', async () => {
        await world.work(one)
        throw new RangeError('half-way')
      })
      await assert.rejects(failing, RangeError)
      assert.equal(await world.done(one), 0)
      assert.equal(await once.run(one, 'order 1', () => world.work(one)), true)
      assert.equal(await world.once(60_000).run(other, 'order 1', () => world.work(other)), false)
      // Keys are texts, letter by letter.
      assert.equal(await once.run(one, 'ORDER 1', () => world.work(one)), true)
      assert.equal(await once.run(one, 'order 1 ', () => world.work(one)), true)
      assert.equal(await world.done(one), 3)
      assert.equal(await once.forget(one), 0)
      await assert.rejects(
        once.run(one, 'x'.repeat(600), () => world.work(one)),
        { code: 'CONFIG' },
      )
    })

    void test('of two at the same time the second waits for the first, and does it only when that gives up', async () => {
      await using world = await open()
      const [one, other] = [await world.connect(), await world.connect()]
      const once = world.once(60_000)
      await once.createTable(one)
      for (const [key, isGivenUp] of [
        ['kept', false],
        ['given up', true],
      ] as const) {
        const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
        const { promise: isBegun, resolve: begin } = Promise.withResolvers<void>()
        const first = once.run(one, key, async () => {
          begin()
          await mayEnd
          if (isGivenUp) throw new RangeError('given up')
          await world.work(one)
        })
        await isBegun
        const second = once.run(other, key, () => world.work(other))
        end()
        if (isGivenUp) await assert.rejects(first, RangeError)
        else assert.equal(await first, true)
        assert.equal(await second, isGivenUp)
      }
      assert.equal(await world.done(one), 2)
    })

    void test('a key whose time is over is new again, and old ones are taken away', async () => {
      await using world = await open()
      const connection = await world.connect()
      const once = world.once(-1)
      await once.createTable(connection)
      for (let time = 0; time < 2; time++)
        assert.equal(await once.run(connection, 'old', () => world.work(connection)), true)
      assert.equal(await world.once(60_000).run(connection, 'old', () => world.work(connection)), true)
      assert.equal(await world.once(60_000).run(connection, 'old', () => world.work(connection)), false)
      await once.run(connection, 'older', () => world.work(connection))
      assert.deepEqual([await once.forget(connection), await once.forget(connection)], [1, 0])
    })
  })
}

cases('Postgres', openPostgres)
cases('MariaDB', openMariadb)

void test('what is no name of a table is refused', () => {
  for (const table of ['a b', 'a"b', 'a.b.c', '', '1a'])
    assert.throws(() => OnceInSql.mysql({ table }), { code: 'CONFIG' })
  OnceInSql.postgres({ table: 'shop.handled' })
})
