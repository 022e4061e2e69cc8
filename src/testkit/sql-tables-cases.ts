import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { tableId, type SchemaChange, type SourceTable, type TableColumn, type TableEvent } from '../core/changes.ts'
import type { AcknowledgePermit } from '../core/checkpoint-types.ts'
import { MillraceError } from '../core/errors.ts'
import type { SinkCoordinator, SinkWriter } from '../core/sink.ts'
import { bytesBatch } from './bytes-batch.ts'
import { testCoordinatorContext, testLaneContext } from './lane-context.ts'
import { LaneTables, makeSqlSink, openSqlTarget, type AnySqlSink, type SqlTarget } from './sql-target.ts'

type Row = Readonly<Record<string, unknown>>

const NEWLINE = 0x0a

const column = (name: string, type: string, more: Partial<TableColumn> = {}): TableColumn => {
  return { name, type, nullable: true, ...more }
}

/** `shop.orders` with further columns; its key has two columns. */
function orders(...more: readonly TableColumn[]): SourceTable {
  const key = [column('id', 'bigint', { nullable: false }), column('line', 'varchar', { length: 20 })]
  const columns = [...key, column('item', 'varchar', { length: 20 }), ...more]
  return { id: tableId('shop', 'orders'), database: 'shop', name: 'orders', columns, key: ['id', 'line'] }
}

/** One life of a sink with routes, as the engine drives it. */
class Mirror implements AsyncDisposable {
  readonly target: SqlTarget
  readonly coordinator: SinkCoordinator
  readonly #writer: SinkWriter
  readonly #stack: AsyncDisposableStack
  #checkpoint = 1

  private constructor(
    target: SqlTarget,
    { coordinator, writer }: { coordinator: SinkCoordinator; writer: SinkWriter },
    stack: AsyncDisposableStack,
  ) {
    this.target = target
    this.coordinator = coordinator
    this.#writer = writer
    this.#stack = stack
  }

  static async start(serverUrl: string, connector: AnySqlSink, options: Row = {}): Promise<Mirror> {
    await using stack = new AsyncDisposableStack()
    const target = stack.use(await openSqlTarget(serverUrl))
    const tables = stack.use(await LaneTables.open())
    const routes = [{ match: 'shop\\..*', table: 'm_{table}' }]
    const sink = await makeSqlSink(connector, target, { routes, pageRows: 3, connections: 2, ...options })
    const names = { job: randomUUID(), id: 'out' }
    const coordinator = sink.coordinator(testCoordinatorContext(names))
    stack.defer(() => coordinator.close())
    const format = { kind: 'bytes', format: 'json', separator: NEWLINE } as const
    const writer = sink.writer(
      testLaneContext({ ...names, tables: true, format, database: async () => tables.database }),
    )
    stack.defer(() => writer.close())
    writer.begin(1, await coordinator.begin(1, 1))
    return new Mirror(target, { coordinator, writer }, stack.move())
  }

  async open(table: SourceTable): Promise<void> {
    await this.coordinator.openTable?.(table)
  }

  async write(table: SourceTable, rows: readonly Row[], partial?: readonly string[]): Promise<void> {
    const lines = rows.map((row) => JSON.stringify(row))
    const batch = bytesBatch(lines, { separator: NEWLINE })
    await this.#writer.write({ ...batch, table, ...(partial !== undefined && { partial }) })
  }

  /** The barrier: how many rows it counted. */
  async cut(): Promise<number> {
    const checkpoint = ++this.#checkpoint
    const ticket = await this.coordinator.begin(checkpoint, 1)
    return (await this.#writer.cut({ checkpoint, ticket })).counts.rows
  }

  async change(table: SourceTable, ...events: readonly TableEvent[]): Promise<string | undefined> {
    const change: SchemaChange = { kind: 'schema-change', split: 's', next: {}, table, events }
    return await this.coordinator.applySchema?.({ checkpoint: 1 } as AcknowledgePermit, change)
  }

  async rows(columns = 'id, line, item', table = 'm_orders'): Promise<readonly (readonly (string | null)[])[]> {
    return await this.target.query(`SELECT ${columns} FROM ${table} ORDER BY 1, 2`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

/** What an SQL sink of several tables promises, on a real server. */
export function sqlTablesCases(name: string, serverUrl: string, connector: AnySqlSink): void {
  const start = (options?: Row): Promise<Mirror> => Mirror.start(serverUrl, connector, options)
  describe(`${name} mirrors several tables`, () => {
    rowTests(start)
    shapeTests(start)
  })
}

type Start = (options?: Row) => Promise<Mirror>

function rowTests(start: Start): void {
  test('each table is made and gets its rows; of each key the last change stays, deletes too', async () => {
    await using mirror = await start()
    const users: SourceTable = { ...orders(), id: tableId('shop', 'users'), name: 'users' }
    for (const table of [orders(), users, users]) await mirror.open(table)
    const ten = Array.from({ length: 10 }, (_, at) => ({ id: at % 5, line: `l${at % 2}`, item: `item ${at}`, __op: 0 }))
    await mirror.write(orders(), ten)
    await mirror.write(users, [{ id: 1, line: "it's", item: '"\\\u{1f600}', __op: 0 }])
    await mirror.write(orders(), [
      { id: 0, line: 'l0', __op: 1 },
      { id: 1, line: 'l1', __op: 1 },
      { id: 1, line: 'l1', item: 'again', __op: 0 },
      { id: 7, line: 'l0', item: null, __op: 0 },
    ])
    assert.equal(await mirror.cut(), 15)
    assert.deepEqual(await mirror.rows(), [
      ['0', 'l1', 'item 5'],
      ['1', 'l0', 'item 6'],
      ['1', 'l1', 'again'],
      ['2', 'l0', 'item 2'],
      ['2', 'l1', 'item 7'],
      ['3', 'l0', 'item 8'],
      ['3', 'l1', 'item 3'],
      ['4', 'l0', 'item 4'],
      ['4', 'l1', 'item 9'],
      ['7', 'l0', null],
    ])
    assert.deepEqual(await mirror.rows('id, line, item', 'm_users'), [['1', "it's", '"\\\u{1f600}']])
    assert.equal(await mirror.cut(), 0)
  })

  test('rows with some of the columns leave the others as they are, before and behind whole rows, in every checkpoint', async () => {
    await using mirror = await start()
    const table = orders(column('note', 'varchar'))
    await mirror.open(table)
    const whole = (id: number, item: string, note: string): Promise<void> =>
      mirror.write(table, [{ id, line: 'a', item, note, __op: 0 }])
    const part = (id: number, item: string): Promise<void> =>
      mirror.write(table, [{ id, line: 'a', item, __op: 0 }], ['id', 'line', 'item'])
    await whole(1, 'a', 'long')
    await part(1, 'b')
    await whole(2, 'c', 'x')
    await part(2, 'd')
    await whole(2, 'e', 'y')
    // The pages of this checkpoint are still on their way when the next one begins.
    const cut = mirror.cut()
    await part(2, 'f')
    await cut
    await whole(3, 'g', 'z')
    await mirror.cut()
    assert.deepEqual(await mirror.rows('id, item, note'), [
      ['1', 'b', 'long'],
      ['2', 'f', 'y'],
      ['3', 'g', 'z'],
    ])
  })

  test('a row is replaced by none whose version is older, whole or in part; equal ones and new keys are written', async () => {
    const routes = [{ match: 'shop\\..*', table: 'm_{table}', version: 'changed' }]
    await using mirror = await start({ routes })
    const table = orders(column('changed', 'timestamp(6)'))
    const at = (second: number): string => `2026-01-01 00:00:0${second}.000001`
    const row = (id: number, item: string, second: number): Row => ({
      id,
      line: 'a',
      item,
      changed: at(second),
      __op: 0,
    })
    await mirror.open(table)
    await mirror.write(table, [row(1, 'new', 5), row(2, 'new', 5), row(3, 'new', 5)])
    await mirror.cut()
    await mirror.write(table, [row(1, 'old', 4), row(2, 'equal', 5), row(3, 'newer', 6), row(4, 'first', 1)])
    await mirror.write(table, [row(3, 'older part', 5), row(4, 'newer part', 2)], ['id', 'line', 'item', 'changed'])
    await mirror.cut()
    assert.deepEqual(await mirror.rows('id, item'), [
      ['1', 'new'],
      ['2', 'equal'],
      ['3', 'newer'],
      ['4', 'newer part'],
    ])
    const unguarded = mirror.write(table, [row(1, 'x', 9)], ['id', 'line', 'item'])
    await assert.rejects(unguarded, { code: 'SCHEMA', message: /rows of the source without column changed/ })
    await assert.rejects(mirror.open(orders()), { code: 'SCHEMA', message: /the version column changed/ })
  })

  test('documents arrive as documents, whether their source gives them as they are or as texts; bytes as bytes', async () => {
    await using mirror = await start()
    const table = orders(column('doc', 'json'), column('raw', 'blob'), column('odd', 'no type of ours'))
    await mirror.open(table)
    const raw = Buffer.from([0, 255, 39, 92]).toString('base64')
    const documents: unknown[] = ['{"a": [1, "x"]}', { a: [1, 'x'] }, null, '"text"', '12']
    await mirror.write(
      table,
      documents.map((doc, id) => ({ id, line: 'a', item: 'x', doc, raw, odd: '1 day', __op: 0 })),
    )
    await mirror.cut()
    const rows = await mirror.rows('id, line, doc, raw, odd')
    assert.deepEqual(
      rows.map(([, , doc]) => (doc === null || doc === undefined ? null : (JSON.parse(doc) as unknown))),
      [{ a: [1, 'x'] }, { a: [1, 'x'] }, null, 'text', 12],
    )
    assert.deepEqual(
      [...new Set(rows.map(([, , , bytes, odd]) => `${bytes?.replace('\\x', '')} ${odd}`))],
      ['00ff275c 1 day'],
    )
  })

  test('a value that does not fit is poison, and told without the value', async () => {
    await using mirror = await start()
    const table = orders(column('seen', 'date'))
    await mirror.open(table)
    const bad = mirror.write(table, [{ id: 1, line: 'a', seen: 'secret', __op: 0 }])
    await assert.rejects(bad, (error) => error instanceof MillraceError && error.code === 'POISON')
    await bad.catch((error: Error) => assert.doesNotMatch(error.message, /secret/))
  })

  test('a table without a key, with another one, with two, without a route, or that is missing is refused', async () => {
    await using mirror = await start({ createTables: false })
    await assert.rejects(mirror.open(orders()), { code: 'SCHEMA' })
    await mirror.target.query(
      'CREATE TABLE m_orders (id BIGINT NOT NULL, line VARCHAR(20) NOT NULL, item VARCHAR(20) UNIQUE, PRIMARY KEY (id, line))',
    )
    await assert.rejects(mirror.open(orders()), { code: 'SCHEMA' })
    await assert.rejects(mirror.open({ ...orders(), key: ['item', 'id'] }), { code: 'SCHEMA' })
    await assert.rejects(mirror.open({ ...orders(), id: 'other.orders', database: 'other' }), { code: 'SCHEMA' })
    await using maker = await start()
    await assert.rejects(maker.open({ ...orders(), key: [] }), { code: 'SCHEMA' })
  })
}

const PRICE = column('price', 'decimal(12,2)')

function shapeTests(start: Start): void {
  test('a new column is there before its first value, also when it came while nobody was reading', async () => {
    await using mirror = await start()
    await mirror.open(orders())
    await mirror.write(orders(), [{ id: 1, line: 'a', item: 'x', __op: 0 }])
    await mirror.cut()
    assert.equal(await mirror.change(orders(PRICE), { kind: 'add-columns', columns: ['price'] }), 'applied')
    assert.equal(await mirror.change(orders(PRICE), { kind: 'add-columns', columns: ['price'] }), 'already')
    await mirror.write(orders(PRICE), [{ id: 2, line: 'a', item: 'y', price: '12.50', __op: 0 }])
    await mirror.cut()
    await mirror.open(orders(PRICE, column('later', 'boolean')))
    await mirror.write(orders(PRICE, column('later', 'boolean')), [{ id: 2, line: 'a', later: true, __op: 0 }])
    await mirror.cut()
    assert.deepEqual(await mirror.rows('id, item, price'), [
      ['1', 'x', null],
      ['2', null, null],
    ])
    assert.match(String((await mirror.rows('id, later'))[1]?.[1]), /^(t|1)$/)
  })

  test('lenient loses nothing; evolve drops, renames and empties; a wider type is followed, a narrower one needs nothing', async () => {
    const values = [{ id: 1, line: 'a', item: 'x', price: '1.00', __op: 0 }]
    const renamed = orders({ ...PRICE, name: 'cost' })
    const rename: TableEvent = { kind: 'rename-column', from: 'price', to: 'cost' }
    for (const schemaChange of ['lenient', 'evolve']) {
      await using mirror = await start({ schemaChange })
      await mirror.open(orders(PRICE))
      await mirror.write(orders(PRICE), values)
      await mirror.cut()
      assert.equal(await mirror.change(renamed, rename), 'applied')
      const isLenient = schemaChange === 'lenient'
      if (isLenient) assert.deepEqual(await mirror.rows('id, price, cost'), [['1', '1.00', null]])
      else assert.deepEqual(await mirror.rows('id, cost'), [['1', '1.00']])
      const wide = orders({ ...PRICE, name: 'cost', type: 'decimal(20,4)' })
      assert.equal(await mirror.change(wide, { kind: 'alter-columns', columns: ['cost'] }), 'applied')
      assert.equal(await mirror.change(renamed, { kind: 'alter-columns', columns: ['cost'] }), 'already')
      await mirror.write(wide, [{ id: 2, line: 'a', cost: '1234567890123456.7891', __op: 0 }])
      await mirror.cut()
      assert.deepEqual((await mirror.rows('id, cost'))[1], ['2', '1234567890123456.7891'])
      const dropped = await mirror.change(orders(), { kind: 'drop-columns', columns: ['cost'] }, { kind: 'truncate' })
      assert.equal(dropped, isLenient ? 'already' : 'applied')
      assert.equal((await mirror.rows()).length, isLenient ? 2 : 0)
    }
  })

  test('fail and another key halt, ignore leaves columns out, and what the server refuses is left out by try-evolve', async () => {
    await using mirror = await start({
      schemaChange: {
        'add-columns': 'ignore',
        truncate: 'fail',
        'alter-columns': 'try-evolve',
        'drop-columns': 'evolve',
      },
    })
    await mirror.open(orders())
    assert.equal(await mirror.change(orders(PRICE), { kind: 'add-columns', columns: ['price'] }), 'already')
    await mirror.write(orders(PRICE), [{ id: 2, line: 'a', item: 'no date', price: '1.00', __op: 0 }])
    await mirror.cut()
    assert.deepEqual(await mirror.rows(), [['2', 'a', 'no date']])
    await assert.rejects(mirror.change(orders(), { kind: 'truncate' }), { code: 'SCHEMA', retry: 'halt' })
    await assert.rejects(mirror.change(orders(), { kind: 'alter-key' }), { code: 'SCHEMA', retry: 'halt' })
    const [id, line] = orders().columns
    assert.ok(id !== undefined && line !== undefined)
    const dated = { ...orders(), columns: [id, line, column('item', 'date')] }
    assert.equal(await mirror.change(dated, { kind: 'alter-columns', columns: ['item'] }), 'already')
    assert.deepEqual(await mirror.rows(), [['2', 'a', 'no date']])
  })
}
