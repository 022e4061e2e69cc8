import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareTables, tableId, type SourceTable, type TableColumn } from './changes.ts'
import { Router, routesOption } from './routes.ts'
import { policyFor, schemaChangeOption } from './schema-policy.ts'

const column = (name: string, more: Partial<TableColumn> = {}): TableColumn => ({
  name,
  type: 'bigint',
  nullable: true,
  ...more,
})

function table(columns: readonly TableColumn[], more: Partial<SourceTable> = {}): SourceTable {
  return { id: 'shop.orders', database: 'shop', name: 'orders', columns, key: ['id'], ...more }
}

const ID = column('id')

test('names with dots are other names than those of two parts', () => {
  assert.equal(tableId('shop', 'orders'), 'shop.orders')
  const ids = [tableId('a.b', 'c'), tableId('a', 'b.c'), tableId('a\\', 'b'), tableId('a', '\\b')]
  assert.equal(new Set(ids).size, ids.length)
})

test('two shapes tell what became of a table', () => {
  const before = table([ID, column('a'), column('b', { length: 20 })])
  assert.deepEqual(compareTables(undefined, before), [{ kind: 'create' }])
  assert.deepEqual(compareTables(before, before), [])
  const after = table([ID, column('b', { length: 40 }), column('c')], { key: ['id', 'b'] })
  assert.deepEqual(compareTables(before, after), [
    { kind: 'add-columns', columns: ['c'] },
    { kind: 'drop-columns', columns: ['a'] },
    { kind: 'alter-columns', columns: ['b'] },
    { kind: 'alter-key' },
  ])
})

test('the first route that matches the whole name counts, and fills in names', () => {
  const router = new Router(
    routesOption().parse([
      { match: 'shop\\.order', table: 'never' },
      { match: 'shop\\..*', database: '{database}_copy', table: 'm_{table}', columns: ['id', 'a'], key: ['a'] },
      { match: '.*' },
    ]),
    'demo',
  )
  const { shape, ...target } = router.targetOf(table([ID, column('a'), column('b')]))
  assert.deepEqual(target, { database: 'shop_copy', table: 'm_orders', version: undefined })
  assert.deepEqual([shape.columns.map(({ name }) => name), shape.key], [['id', 'a'], ['a']])
  const other = router.targetOf(table([ID], { id: 'x.y', database: 'x', name: 'y' }))
  assert.deepEqual([other.database, other.table], ['demo', 'y'])
  assert.equal(router.databases, undefined)
  assert.deepEqual(
    new Router(routesOption().parse([{ match: 'a' }, { match: 'b', database: 'c' }]), 'demo').databases,
    ['demo', 'c'],
  )
})

test('a table without a route, and a key that its route does not write, are refused', () => {
  const refuse = (routes: unknown): void => {
    assert.throws(() => new Router(routesOption().parse(routes), 'demo').targetOf(table([ID, column('a')])), {
      code: 'SCHEMA',
    })
  }
  refuse([{ match: 'shop' }])
  refuse([{ match: '.*', columns: ['a'] }])
  refuse([{ match: '.*', key: ['missing'] }])
  assert.ok(!routesOption().safeParse([{ match: '(' }]).success)
})

test('a policy is one word, or one for each kind of change, where the others are lenient', () => {
  const option = schemaChangeOption()
  assert.equal(policyFor(option.parse(undefined), 'truncate'), 'lenient')
  assert.equal(policyFor(option.parse('evolve'), 'truncate'), 'evolve')
  const mixed = option.parse({ truncate: 'fail', 'add-columns': 'ignore' })
  assert.deepEqual(
    [policyFor(mixed, 'truncate'), policyFor(mixed, 'add-columns'), policyFor(mixed, 'drop-columns')],
    ['fail', 'ignore', 'lenient'],
  )
  assert.ok(!option.safeParse({ grow: 'evolve' }).success)
})
