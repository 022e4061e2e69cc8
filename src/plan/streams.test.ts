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
