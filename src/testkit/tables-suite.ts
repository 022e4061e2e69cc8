import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Batch } from '../core/batch.ts'
import { tableId, type SchemaChange, type SourceTable, type TableColumn, type TableEvent } from '../core/changes.ts'
import type { AcknowledgePermit, CommitPermit } from '../core/checkpoint-types.ts'
import type { JsonObject } from '../core/json.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../core/sink.ts'
import { bytesBatch } from './bytes-batch.ts'
import type { Emulator } from './emulators/options.ts'
import { testCoordinatorContext, testLaneContext } from './lane-context.ts'
import { sinkSuite, type OpenedSink } from './sink-suite.ts'

/** An emulated server without any table, and a sink with routes into it. */
export interface TablesTarget {
  readonly emulator: Emulator
  /** Options beside the address: `schemaChange` and others. */
  sink(options: JsonObject): Sink
  /** What ends each row. */
  readonly separator: number
}

type Row = Readonly<Record<string, unknown>>

const column = (name: string, type: string, more: Partial<TableColumn> = {}): TableColumn => {
  return { name, type, nullable: true, ...more }
}

/** `shop.orders`, with further columns. */
export function ordersTable(...more: readonly TableColumn[]): SourceTable {
  const columns = [column('id', 'bigint', { nullable: false }), column('item', 'varchar', { length: 20 }), ...more]
  return { id: tableId('shop', 'orders'), database: 'shop', name: 'orders', columns, key: ['id'] }
}

const ROUTES = [{ match: 'shop\\..*', table: 'm_{table}' }]

/** What a sink of several tables promises, besides what every sink promises for each of them. */
export function tablesSuite(name: string, start: () => Promise<TablesTarget>): void {
  sinkSuite(`${name} with routes`, () => openSuite(start))
  describe(`${name} mirrors several tables`, () => {
    tableTests(start)
    changeTests(start)
  })
}

async function openSuite(start: () => Promise<TablesTarget>): Promise<OpenedSink> {
  const { emulator, sink: make, separator } = await start()
  const sink = make({ routes: ROUTES, writers: 2 })
  const names = { job: randomUUID(), id: 'out' }
  const table = ordersTable()
  const first = sink.coordinator(testCoordinatorContext(names))
  await first.openTable?.(table)
  await first.close()
  return {
    coordinator: () => sink.coordinator(testCoordinatorContext({ ...names, lanes: 2 })),
    writer: (lane) => sink.writer(laneContext({ ...names, lane, lanes: 2 }, separator)),
    batch: (from, to) =>
      batchOf(
        table,
        Array.from({ length: to - from }, (_, at) => ({ id: from + at, __op: 0 })),
        separator,
      ),
    visible: async () =>
      emulator
        .rows('mirror', 'm_orders')
        .map((row) => Number(row['id']))
        .sort((a, b) => a - b),
    [Symbol.asyncDispose]: () => emulator.close(),
  }
}

function laneContext(
  overrides: Parameters<typeof testLaneContext>[0],
  separator: number,
): ReturnType<typeof testLaneContext> {
  return testLaneContext({ ...overrides, tables: true, format: { kind: 'bytes', format: 'json', separator } })
}

function batchOf(table: SourceTable, rows: readonly Row[], separator: number, partial?: readonly string[]): Batch {
  const lines = rows.map((row) => JSON.stringify(row))
  return { ...bytesBatch(lines, { separator }), table, ...(partial && { partial }) }
}

/** One life of a sink, as the engine drives it. */
class Mirror implements AsyncDisposable {
  readonly emulator: Emulator
  readonly coordinator: SinkCoordinator
  readonly #writer: SinkWriter
  readonly #separator: number
  #checkpoint = 0

  private constructor({ emulator, sink: make, separator }: TablesTarget, options: JsonObject) {
    const sink = make({ routes: ROUTES, ...options })
    const names = { job: randomUUID(), id: 'out' }
    this.emulator = emulator
    this.#separator = separator
    this.coordinator = sink.coordinator(testCoordinatorContext(names))
    this.#writer = sink.writer(laneContext(names, separator))
  }

  static async start(start: () => Promise<TablesTarget>, options: JsonObject = {}): Promise<Mirror> {
    const mirror = new Mirror(await start(), options)
    mirror.#writer.begin(1, await mirror.coordinator.begin(1, 1))
    mirror.#checkpoint = 1
    return mirror
  }

  open(table: SourceTable): Promise<void> {
    return this.coordinator.openTable?.(table) ?? Promise.resolve()
  }

  write(table: SourceTable, rows: readonly Row[], partial?: readonly string[]): Promise<void> {
    return this.#writer.write(batchOf(table, rows, this.#separator, partial))
  }

  /** Cuts, commits, and returns how many transactions there were. */
  async commit(): Promise<number> {
    const checkpoint = this.#checkpoint++
    const next = { checkpoint: checkpoint + 1, ticket: await this.coordinator.begin(checkpoint + 1, 1) }
    const { committables } = await this.#writer.cut(next)
    const all = await this.coordinator.combine(checkpoint, committables)
    for (const { committable } of all) {
      const { outcome } = await this.coordinator.commit({ checkpoint, epoch: 1 } as CommitPermit, committable)
      assert.equal(outcome, 'committed')
    }
    return all.length
  }

  async change(table: SourceTable, ...events: readonly TableEvent[]): Promise<string | undefined> {
    const change: SchemaChange = { kind: 'schema-change', split: 's', next: {}, table, events }
    return this.coordinator.applySchema?.({ checkpoint: 1 } as AcknowledgePermit, change)
  }

  rows(table = 'm_orders'): Row[] {
    return this.emulator.rows('mirror', table).toSorted((a, b) => Number(a['id']) - Number(b['id']))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close()
    await this.coordinator.close()
    await this.emulator.close()
  }
}

function tableTests(start: () => Promise<TablesTarget>): void {
  test('each table gets its target, its rows, upserts and deletes in their order', async () => {
    await using mirror = await Mirror.start(start)
    const orders = ordersTable()
    const users: SourceTable = { ...orders, id: tableId('shop', 'users'), name: 'users' }
    await mirror.open(orders)
    await mirror.open(users)
    await mirror.open(users)
    await mirror.write(orders, [
      { id: 1, item: 'a', __op: 0 },
      { id: 2, item: 'b', __op: 0 },
    ])
    await mirror.write(users, [{ id: 1, item: 'u', __op: 0 }])
    await mirror.write(orders, [
      { id: 1, item: 'c', __op: 0 },
      { id: 2, __op: 1 },
      { id: 3, item: 'd', __op: 0 },
      { id: 3, __op: 1 },
      { id: 3, item: 'e', __op: 0 },
    ])
    assert.deepEqual(mirror.rows(), [])
    assert.equal(await mirror.commit(), 2)
    assert.deepEqual(mirror.rows(), [
      { id: 1n, item: 'c' },
      { id: 3n, item: 'e' },
    ])
    assert.deepEqual(mirror.rows('m_users'), [{ id: 1n, item: 'u' }])
    assert.equal(await mirror.commit(), 0)
  })

  test('rows with some of the columns leave the others as they are, before and behind whole rows of their key', async () => {
    await using mirror = await Mirror.start(start)
    const orders = ordersTable(column('note', 'varchar'))
    await mirror.open(orders)
    await mirror.write(orders, [{ id: 1, item: 'a', note: 'long', __op: 0 }])
    await mirror.write(orders, [{ id: 1, item: 'b', __op: 0 }], ['id', 'item'])
    await mirror.write(orders, [{ id: 2, item: 'c', note: 'x', __op: 0 }])
    await mirror.write(orders, [{ id: 2, item: 'd', __op: 0 }], ['id', 'item'])
    await mirror.write(orders, [{ id: 2, item: 'e', note: 'y', __op: 0 }])
    await mirror.commit()
    assert.deepEqual(mirror.rows(), [
      { id: 1n, item: 'b', note: 'long' },
      { id: 2n, item: 'e', note: 'y' },
    ])
  })

  test('a table without a key, with another key than its target, or without a route is refused', async () => {
    await using mirror = await Mirror.start(start)
    const orders = ordersTable()
    await assert.rejects(mirror.open({ ...orders, key: [] }), { code: 'SCHEMA' })
    await mirror.open(orders)
    await assert.rejects(mirror.open({ ...orders, key: ['item'] }), { code: 'SCHEMA' })
    await assert.rejects(mirror.open({ ...orders, id: 'other.orders', database: 'other' }), { code: 'SCHEMA' })
  })

  test('a target that is missing is an error where nobody may make it', async () => {
    await using mirror = await Mirror.start(start, { createTables: false })
    await assert.rejects(mirror.open(ordersTable()), { code: 'SCHEMA' })
  })

  test('a route may choose columns and another key', async () => {
    const routes = [{ match: '.*', database: '{database}_copy', columns: ['item', 'extra'], key: ['item'] }]
    await using mirror = await Mirror.start(start, { routes })
    const orders = ordersTable(column('extra', 'integer'))
    await mirror.open(orders)
    await mirror.write(orders, [{ id: 1, item: 'a', extra: 5, __op: 0 }])
    await mirror.commit()
    assert.deepEqual(mirror.emulator.rows('shop_copy', 'orders'), [{ item: 'a', extra: 5n }])
  })
}

const ADDED = column('price', 'decimal(12,2)')

function changeTests(start: () => Promise<TablesTarget>): void {
  test('a new column is there before its first value; meeting the change again is no change', async () => {
    await using mirror = await Mirror.start(start)
    await mirror.open(ordersTable())
    await mirror.write(ordersTable(), [{ id: 1, item: 'a', __op: 0 }])
    await mirror.commit()
    const changed = ordersTable(ADDED)
    assert.equal(await mirror.change(changed, { kind: 'add-columns', columns: ['price'] }), 'applied')
    assert.equal(await mirror.change(changed, { kind: 'add-columns', columns: ['price'] }), 'already')
    await mirror.write(changed, [{ id: 2, item: 'b', price: '12.50', __op: 0 }])
    await mirror.commit()
    assert.deepEqual(mirror.rows(), [
      { id: 1n, item: 'a', price: null },
      { id: 2n, item: 'b', price: '12.50' },
    ])
  })

  test('a column that was added while nobody was reading is added at the start', async () => {
    await using mirror = await Mirror.start(start)
    await mirror.open(ordersTable())
    await mirror.open(ordersTable(ADDED))
    await mirror.write(ordersTable(ADDED), [{ id: 2, item: 'b', price: '1.00', __op: 0 }])
    await mirror.commit()
    assert.deepEqual(mirror.rows(), [{ id: 2n, item: 'b', price: '1.00' }])
  })

  const wider = (): SourceTable => {
    const { columns, ...table } = ordersTable()
    return { ...table, columns: columns.map((one) => (one.name === 'item' ? { ...one, length: 40 } : one)) }
  }

  test('a wider type is waited for, a narrower one needs nothing', async () => {
    await using mirror = await Mirror.start(start)
    await mirror.open(ordersTable())
    assert.equal(await mirror.change(wider(), { kind: 'alter-columns', columns: ['item'] }), 'applied')
    assert.equal(await mirror.change(ordersTable(), { kind: 'alter-columns', columns: ['item'] }), 'already')
    const long = 'x'.repeat(120)
    await mirror.write(wider(), [{ id: 1, item: long, __op: 0 }])
    await mirror.commit()
    assert.deepEqual(mirror.rows(), [{ id: 1n, item: long }])
  })

  const dropped: TableEvent[] = [{ kind: 'drop-columns', columns: ['price'] }, { kind: 'truncate' }]

  test('lenient loses nothing: dropped columns stay, nothing is emptied, a new name is a new column', async () => {
    await using mirror = await Mirror.start(start)
    await mirror.open(ordersTable(ADDED))
    await mirror.write(ordersTable(ADDED), [{ id: 1, item: 'a', price: '1.00', __op: 0 }])
    await mirror.commit()
    assert.equal(await mirror.change(ordersTable(), ...dropped), 'already')
    const renamed = ordersTable({ ...ADDED, name: 'cost' })
    assert.equal(await mirror.change(renamed, { kind: 'rename-column', from: 'price', to: 'cost' }), 'applied')
    assert.deepEqual(mirror.rows(), [{ id: 1n, item: 'a', price: '1.00', cost: null }])
  })

  test('evolve follows: columns go, names change, tables are emptied', async () => {
    await using mirror = await Mirror.start(start, { schemaChange: 'evolve' })
    await mirror.open(ordersTable(ADDED))
    await mirror.write(ordersTable(ADDED), [{ id: 1, item: 'a', price: '1.00', __op: 0 }])
    await mirror.commit()
    const renamed = ordersTable({ ...ADDED, name: 'cost' })
    assert.equal(await mirror.change(renamed, { kind: 'rename-column', from: 'price', to: 'cost' }), 'applied')
    assert.deepEqual(mirror.rows(), [{ id: 1n, item: 'a', cost: '1.00' }])
    assert.equal(await mirror.change(ordersTable(), { kind: 'drop-columns', columns: ['cost'] }), 'applied')
    assert.deepEqual(mirror.rows(), [{ id: 1n, item: 'a' }])
    await mirror.change(ordersTable(), { kind: 'truncate' })
    assert.deepEqual(mirror.rows(), [])
  })

  test('what the server refuses halts evolve and is left out by try-evolve', async () => {
    const impossible: TableEvent = { kind: 'alter-columns', columns: ['item'] }
    const { columns, ...table } = ordersTable()
    const changed = { ...table, columns: columns.map((one) => (one.name === 'item' ? column('item', 'date') : one)) }
    for (const [policy, outcome] of [['evolve', undefined] as const, ['try-evolve', 'already'] as const]) {
      await using mirror = await Mirror.start(start, { schemaChange: policy })
      await mirror.open(ordersTable())
      if (outcome === undefined)
        await assert.rejects(mirror.change(changed, impossible), { code: 'SCHEMA', retry: 'halt' })
      else assert.equal(await mirror.change(changed, impossible), outcome)
    }
  })

  test('fail and another key halt, ignore leaves out, and each kind of change may have a policy of its own', async () => {
    await using mirror = await Mirror.start(start, { schemaChange: { 'add-columns': 'ignore', truncate: 'fail' } })
    await mirror.open(ordersTable())
    assert.equal(await mirror.change(ordersTable(ADDED), { kind: 'add-columns', columns: ['price'] }), 'already')
    await mirror.write(ordersTable(ADDED), [{ id: 2, item: 'b', price: '1.00', __op: 0 }])
    await mirror.commit()
    assert.deepEqual(mirror.rows(), [{ id: 2n, item: 'b' }])
    await assert.rejects(mirror.change(ordersTable(), { kind: 'truncate' }), { code: 'SCHEMA', retry: 'halt' })
    await assert.rejects(mirror.change(ordersTable(), { kind: 'alter-key' }), { code: 'SCHEMA', retry: 'halt' })
  })
}
