/** Streams that come together, and rows that are taken apart: their columns, and what is wrong with a definition. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { storeOpener } from '../storage/open-store.ts'
import { PLAN_CONNECTORS } from '../testkit/plan-connectors.ts'
import { buildPlan } from './build-plan.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { formatSchema } from './flow.ts'
import { parseText } from './parse-yaml.ts'
import { formatPath } from './parsed-file.ts'
import type { Plan } from './plan.ts'
import { stagesOf } from './stages.ts'

const sql = new DuckdbChecker()
after(() => sql[Symbol.asyncDispose]())

const ORDERS =
  '{connector: log, brokers: b, topics: [o], schema: {id: bigint, at: timestamp(3), amount: "decimal(12,2)"}}'
const REFUNDS =
  '{connector: log, brokers: b, topics: [r], schema: {Amount: "decimal(12,2)", id: bigint, reason: varchar}}'
const LISTS = '{connector: log, brokers: b, topics: [l], schema: {id: bigint, items: json, note: varchar}}'

async function planned(
  sources: string,
  transforms: string,
  sinks = 'out: {from: made, connector: lines, table: t}',
): Promise<Plan | string> {
  const text = `name: x\nparallelism: 2\nsources: {${sources}}\ntransforms: {${transforms}}\nsinks: {${sinks}}`
  const parsed = parseText(text, 'x.yaml', 'yaml')
  assert.deepEqual(parsed.findings, [])
  const context = { connectors: PLAN_CONNECTORS, sql, baseDirectory: '/', cores: 2, storeOpener }
  const { planned: found, findings } = await buildPlan(parsed.value ?? {}, context)
  const errors = findings.filter(({ severity }) => severity === 'error')
  return found?.plan ?? errors.map(({ path, message }) => `${formatPath(path ?? [])}: ${message}`).join('\n')
}

function schemaOf(plan: Plan | string): string {
  assert.ok(typeof plan === 'object', String(plan))
  const sink = plan.steps.find(({ kind }) => kind === 'sink')
  return sink?.kind === 'sink' ? formatSchema(sink.schema) : ''
}

test('a union has the columns of all its streams by their names, those of the first one first', async () => {
  const sources = `orders: ${ORDERS}, refunds: ${REFUNDS}`
  const union = "made: {from: [orders, refunds], union: {missing: 'null'}}"
  const columns = 'id bigint, at timestamp(3), amount decimal(12,2), reason varchar'
  assert.equal(schemaOf(await planned(sources, union)), columns)
  assert.equal(
    await planned(sources, 'made: {from: [orders, refunds], union: {}}'),
    [
      'transforms.made.from: "refunds" has no column "at"',
      'transforms.made.from: "orders" has no column "reason"',
    ].join('\n'),
  )
  const cast = 'cast: {from: refunds, map: {amount: "amount::double"}}'
  const mixed = await planned(sources, `${cast}, made: {from: [orders, cast], union: {missing: 'null'}}`)
  assert.match(String(mixed), /"Amount" is decimal\(12,2\) in "orders" and double in "cast"/i)
  assert.match(String(await planned(sources, 'made: {from: [orders], union: {}}')), /two inputs or more/)
})

test('what reads a union finds it under its name', async () => {
  const sources = `orders: ${ORDERS}, refunds: ${REFUNDS}`
  const both = "every: {from: [orders, refunds], union: {missing: 'null'}}"
  const plan = await planned(sources, `${both}, made: {from: every, sql: 'SELECT id, amount FROM every WHERE id > 0'}`)
  assert.equal(schemaOf(plan), 'id bigint, amount decimal(12,2)')
})

test('elements of a list stand where the list stood, with their number if it is asked for', async () => {
  const explode = (options: string): Promise<Plan | string> =>
    planned(`lists: ${LISTS}`, `made: {from: lists, explode: ${options}}`)
  assert.equal(
    schemaOf(await explode('{column: items, as: {sku: varchar, price: "decimal(12,2)"}, position: n}')),
    'id bigint, n bigint, sku varchar, price decimal(12,2), note varchar',
  )
  assert.equal(schemaOf(await explode('{column: ITEMS, as: bigint}')), 'id bigint, items bigint, note varchar')
  const cases: readonly (readonly [options: string, finding: RegExp])[] = [
    ['{column: item, as: bigint}', /explode\.column: there is no column "item"/],
    ['{column: note, as: bigint}', /explode\.column: "note" is varchar, no list/],
    ['{column: items, as: number}', /explode\.as: unknown type "number"/],
    ['{column: items, as: {ID: bigint}}', /explode\.as\.ID: the rows have a column ID already/],
    ['{column: items, as: {a: bigint}, position: a}', /explode\.as\.a: the rows have a column a already/],
  ]
  for (const [options, finding] of cases) assert.match(String(await explode(options)), finding, options)
})

const PAYMENTS =
  '{connector: log, brokers: b, topics: [p], schema: {order_id: integer, paid: timestamp(3), amount: "decimal(12,2)", note: double}}'
const JOIN = 'from: orders, join: {with: payments, on: {id: order_id}, within: {after: 30m}, '
const TIME = 'watermark: {column: at, withColumn: paid, delay: 1m}, '

test('a join keeps both sides in one lane for a key, and rests leave where somebody reads them', async () => {
  const rests = ['unmatched.left', 'unmatched.right', 'late.left', 'late.right']
  const sinks = rests.map((rest, index) => `rest${index}: {from: made.${rest}, connector: lines, table: r${index}}`)
  const plan = await planned(
    `orders: ${ORDERS}, payments: ${PAYMENTS}`,
    `made: {${JOIN}${TIME}columns: {paid: paid, paid_amount: amount}}}`,
    ['out: {from: made, connector: lines, table: t}', ...sinks].join(', '),
  )
  assert.ok(typeof plan === 'object', String(plan))
  const stages = stagesOf(plan.steps)
  assert.deepEqual(
    ['made.left', 'made.right', 'made.exchange', 'made', 'rest0', 'rest1', 'rest2', 'rest3'].map((id) =>
      stages.get(id),
    ),
    [0, 0, 0, 1, 1, 1, 0, 0],
  )
  const step = plan.steps.find(({ kind }) => kind === 'join')
  assert.ok(step?.kind === 'join')
  const columns = 'id bigint, at timestamp(3), amount decimal(12,2), paid timestamp(3), paid_amount decimal(12,2)'
  assert.equal(formatSchema(step.work.output), columns)
})

test('mistakes in a join are named where they stand, and rows that nobody reads are refused', async () => {
  const drop = 'drop: [unmatched.left, unmatched.right, late.left, late.right]'
  const cases: readonly (readonly [join: string, finding: RegExp])[] = [
    [
      `${JOIN}${TIME}columns: [paid]}`,
      /transforms\.made: nothing reads "made\.unmatched\.left": its rows would be lost/,
    ],
    [`${JOIN}${TIME}columns: [paid], kind: left}`, /nothing reads "made\.unmatched\.right"/],
    [`${JOIN}${TIME}columns: [amount], ${drop}}`, /columns\.amount: left rows have a column amount already/],
    [`${JOIN}${TIME}columns: [payed], ${drop}}`, /columns\.payed: there is no column "payed"/],
    [`${JOIN}watermark: {column: at}, columns: [paid], ${drop}}`, /watermark\.column: there is no column "at"/],
    [
      `${JOIN.replace('{id: order_id}', '{id: note}')}${TIME}columns: [paid], ${drop}}`,
      /on\.id: id is bigint on the left, and note is double/,
    ],
    [
      `${JOIN.replace('with: payments', 'with: payment')}${TIME}columns: [paid], ${drop}}`,
      /join\.with: unknown id "payment"/,
    ],
    [
      `${JOIN}${TIME}columns: [paid], kind: left, ${drop}}`,
      /drop: left rows without a partner are a part of the result/,
    ],
  ]
  for (const [join, finding] of cases) {
    const found = await planned(`orders: ${ORDERS}, payments: ${PAYMENTS}`, `made: {${join}}`)
    assert.match(String(found), finding, join)
  }
})
