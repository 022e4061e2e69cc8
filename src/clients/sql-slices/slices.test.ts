import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cutToJson, positionFromJson, positionToJson, type Cut } from './cut.ts'
import { between } from './dialect.ts'
import { evenCuts } from './even-cuts.ts'
import { ItemQueue } from './item-queue.ts'
import { LateRowAudit } from './late-row-audit.ts'
import { MYSQL_TEXT } from './mysql-text.ts'
import { POSTGRES_TEXT } from './postgres-text.ts'
import { fillIn } from './split-list.ts'
import type { KeyColumn } from './table-shape.ts'

const key = (name: string, nativeType: string, kind: KeyColumn['kind']): KeyColumn => ({
  name,
  nativeType,
  kind,
  nullable: false,
  isAssigned: true,
})
const ID = key('id', 'bigint', 'integer')
const AT = key('at', 'datetime(6)', 'moment')
const NAME = key('na`"me', 'varchar(20)', 'other')
const after = (...values: string[]): Cut => ({ key: values, side: 'after' })
const before = (...values: string[]): Cut => ({ key: values, side: 'before' })

test('positions survive the checkpoint log', () => {
  const position = { cut: after('1', 'x'), windows: [{ from: undefined, to: before('5'), rows: 7 }] }
  const stored = JSON.parse(JSON.stringify(positionToJson(position))) as ReturnType<typeof positionToJson>
  assert.deepEqual(positionFromJson(stored), position)
  assert.deepEqual(positionFromJson({}), { cut: undefined, windows: [] })
  for (const bad of [{ key: 1 }, { key: ['1'], side: 'left' }, { audit: [{ rows: 1 }] }]) {
    assert.throws(() => positionFromJson(bad), { code: 'STORE_CORRUPT' })
  }
})

test('each server gets its comparison of rows, with values that cannot end their quotes', () => {
  const from = after('2024-01-01 00:00:00.5', "it's \\")
  const dialect = { ...MYSQL_TEXT } as Parameters<typeof between>[0]
  assert.deepEqual(between(dialect, [AT, NAME], from, before('2025-01-01')), [
    "`at` >= TIMESTAMP'2024-01-01 00:00:00.5' AND (`at` > TIMESTAMP'2024-01-01 00:00:00.5' OR " +
      "(`at` = TIMESTAMP'2024-01-01 00:00:00.5' AND `na``\"me` > 'it''s \\\\'))",
    "`at` < TIMESTAMP'2025-01-01'",
  ])
  const postgres = { ...POSTGRES_TEXT } as Parameters<typeof between>[0]
  assert.deepEqual(between(postgres, [ID, NAME], before('5'), after('7', "it's \\")), [
    `"id" >= '5'::bigint`,
    `("id", "na\`""me") <= ('7'::bigint, 'it''s \\'::varchar(20))`,
  ])
  assert.deepEqual(between(postgres, [ID], undefined, undefined), [])
  // What is no number is never written as one.
  assert.equal(MYSQL_TEXT.literal(ID, '1 OR 1'), "'1 OR 1'")
})

test('names of tables may have a schema, and points in quotes', () => {
  assert.equal(POSTGRES_TEXT.tableSql('shop."a.b"'), '"shop"."a.b"')
  assert.equal(MYSQL_TEXT.tableSql('shop.`a.b`'), '`shop`.`a.b`')
  assert.equal(MYSQL_TEXT.tableSql('t', '47'), '`t` AS OF TIMESTAMP TIDB_PARSE_TSO(47)')
})

test('even cuts rise, lie between first and last, and are as many as asked for', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.bigInt({ min: 0n, max: 2n ** 62n }),
      (low, span) => {
        const high = low + span
        const cuts = evenCuts(ID, String(low), String(high), 16).map((cut) => BigInt(cut.key[0] ?? ''))
        assert.equal(cuts.length, span < 16n ? 0 : 15)
        cuts.forEach((cut, at) => assert.ok(cut > (cuts[at - 1] ?? low) && cut < high))
      },
    ),
  )
})

test('times are cut at whole seconds, in the words of their column', () => {
  const texts = (column: KeyColumn, first: string, last: string): string[] =>
    evenCuts(column, first, last, 2).map(({ key: [text = ''] }) => text)
  assert.deepEqual(texts(AT, '1969-12-31 23:59:50.5', '1970-01-01 00:00:09'), ['1969-12-31 23:59:59'])
  assert.deepEqual(texts(key('d', 'date', 'moment'), '2024-02-28', '2024-03-01'), ['2024-02-29'])
  const zoned = key('z', 'timestamp(6) with time zone', 'moment')
  assert.deepEqual(texts(zoned, '2024-01-01 00:00:00+00', '2024-01-01 00:00:10.25+00'), ['2024-01-01 00:00:05+00'])
  assert.deepEqual(texts(zoned, '-infinity', '2024-01-01 00:00:10+00'), [])
  assert.deepEqual(texts(NAME, 'a', 'b'), [])
})

test('values of a list stand in for their names, and only there', () => {
  const values = new Map([
    ['a', "it's"],
    ['b', null],
  ])
  const text = (value: string): string => POSTGRES_TEXT.text(value)
  const sql = `x = :a AND y IS :b AND z = ':a' AND ":a" = 1::a AND t = :unknown`
  assert.equal(fillIn(sql, values, { text }), `x = 'it''s' AND y IS NULL AND z = ':a' AND ":a" = 1::a AND t = :unknown`)
})

test('windows follow each other without gaps, are few, and are due when they are old', () => {
  const audit = new LateRowAudit(400, [{ from: undefined, to: after('0'), rows: 1 }], 0)
  for (let now = 10; now <= 1000; now += 10) {
    if (audit.due(now) !== undefined) audit.passed()
    audit.add(after(String(now - 10)), after(String(now)), 1, now)
    const { windows } = audit
    assert.ok(windows.length <= 4)
    windows.slice(1).forEach(({ from }, at) => assert.deepEqual(from, windows[at]?.to))
    windows.forEach(({ from, to, rows }) =>
      assert.equal(rows, (Number(to.key[0]) - Number(from?.key[0] ?? -10)) / 10, JSON.stringify(cutToJson(to))),
    )
  }
  assert.equal(audit.due(1000), undefined)
  assert.ok(audit.due(2000))
  audit.clear()
  assert.equal(audit.due(2000), undefined)
})

test('whoever adds to a full queue waits until something was taken, or all of it was thrown away', async () => {
  const released: number[] = []
  const queue = new ItemQueue(10)
  const batch = (id: number): Parameters<ItemQueue['add']>[0] => ({
    kind: 'batch',
    split: 's',
    from: {},
    next: {},
    rows: 1,
    bytes: 6,
    body: { kind: 'rows', rows: [], schema: [] },
    release: () => void released.push(id),
  })
  assert.equal(queue.add(batch(1)), undefined)
  const room = queue.add(batch(2))
  assert.ok(room !== undefined)
  assert.ok(queue.take() !== undefined)
  await room
  const again = queue.add(batch(3))
  queue.clear()
  await again
  assert.deepEqual(released, [2, 3])
  assert.ok(queue.isEmpty)
})
