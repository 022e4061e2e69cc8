import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { storeOpener } from '../storage/open-store.ts'
import { PLAN_CONNECTORS } from '../testkit/plan-connectors.ts'
import { buildPlan } from './build-plan.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { interpolate } from './interpolate.ts'
import { parseText } from './parse-yaml.ts'
import { formatPath } from './parsed-file.ts'
import type { LookupStep } from './plan.ts'

const sql = new DuckdbChecker()
after(() => sql[Symbol.asyncDispose]())

const TABLE = '{connector: slices, table: users, schema: {id: bigint, name: varchar, score: double}}'

/** The lookup of a pipeline, or what is wrong with it. */
async function planned(lookup: string): Promise<LookupStep | string> {
  const text = `name: x
accept: rows appear in order
sources: {log: {connector: log, brokers: b, topics: [t], schema: {id: bigint, user_id: bigint, score: double}}}
transforms: {named: {from: log, lookup: ${lookup}}}
sinks: {out: {from: named, connector: lines, table: t}}`
  const { value } = interpolate(parseText(text, 'x.yaml', 'yaml').value ?? {}, {})
  const context = { connectors: PLAN_CONNECTORS, sql, baseDirectory: '/base', cores: 3, storeOpener }
  const { planned: found, findings } = await buildPlan(value, context)
  const step = found?.plan.steps.find(({ kind }) => kind === 'lookup')
  if (step?.kind === 'lookup') return step
  const errors = findings.filter(({ severity }) => severity === 'error')
  return errors.map(({ path, message }) => `${formatPath(path ?? [])}: ${message}`).join('\n')
}

test('rows keep their columns and get those of the table behind them', async () => {
  const step = await planned(`{table: ${TABLE}, on: {user_id: ID}, columns: {user_name: name}, refresh: 5s}`)
  assert.ok(typeof step === 'object')
  assert.deepEqual(step.on, [{ row: 'user_id', column: 'id' }])
  assert.deepEqual(step.columns, [{ name: 'user_name', column: 'name' }])
  assert.deepEqual([step.refreshMs, step.missing, step.table.connector], [5000, 'null', 'slices'])
  assert.deepEqual(
    step.schema.map(({ name, type }) => `${name} ${type}`),
    ['id bigint', 'user_id bigint', 'score double', 'user_name varchar'],
  )
})

test('on demand only the columns that are needed are asked for', async () => {
  const step = await planned(`{table: ${TABLE}, on: {user_id: id}, columns: [name], onDemand: {cache: 1MiB, ttl: 1m}}`)
  assert.ok(typeof step === 'object')
  assert.deepEqual(step.onDemand, { cacheBytes: 1024 * 1024, ttlMs: 60_000, missingTtlMs: 30_000, batchKeys: 500 })
  assert.deepEqual(
    step.table.schema.map(({ name }) => name),
    ['id', 'name'],
  )
})

for (const [lookup, message] of [
  [`{table: ${TABLE}, on: {user: id}, columns: [name]}`, 'transforms.named.lookup.on.user: there is no column user'],
  [`{table: ${TABLE}, on: {user_id: name}, columns: [name]}`, /user_id is bigint, and name of the table is varchar/],
  [`{table: ${TABLE}, on: {score: score}, columns: [name]}`, /score is double, and score of the table is double/],
  [`{table: ${TABLE}, on: id, columns: [score]}`, /lookup\.columns\.score: the rows have a column score already/],
  [`{table: ${TABLE}, on: id, columns: [title]}`, /lookup\.columns\.title: there is no column title/],
  [`{table: {connector: slices, table: users}, on: id, columns: [name]}`, /the columns of the table are not known/],
  [
    '{table: {connector: log, brokers: b, topics: [t], schema: {id: bigint, name: varchar}}, on: id, columns: [name]}',
    /a table is read to its end, and this source has none/,
  ],
  [
    `{table: {connector: elsewhere}, on: id, columns: [name]}`,
    /lookup\.table\.connector: unknown connector "elsewhere"/,
  ],
  [
    '{table: {connector: log, brokers: b, topics: [t], schema: {id: bigint, name: varchar}}, on: id, columns: [name], onDemand: {}}',
    /lookup\.onDemand: log cannot be asked for single keys/,
  ],
  [`{table: ${TABLE}, on: id, columns: [name], refresh: 5s, onDemand: {}}`, /lookup\.refresh: nothing is read whole/],
  [`{table: ${TABLE}, on: {}, columns: [name]}`, /must name at least one column/],
] as const) {
  test(`${lookup} is refused`, async () => {
    const found = await planned(lookup)
    assert.ok(typeof found === 'string', 'there is no plan')
    if (typeof message === 'string') assert.equal(found, message)
    else assert.match(found, message)
  })
}
