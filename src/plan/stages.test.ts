import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { storeOpener } from '../storage/open-store.ts'
import { PLAN_CONNECTORS } from '../testkit/plan-connectors.ts'
import { buildPlan, type PlannedPipeline } from './build-plan.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { explain, explanationText } from './explain.ts'
import { parseText } from './parse-yaml.ts'
import { stagesOf } from './stages.ts'

const sql = new DuckdbChecker()
after(() => sql[Symbol.asyncDispose]())

const SCHEMA = 'schema: {id: bigint, v: varchar}'

async function planOf(options: {
  readonly lanes?: number
  readonly schema?: string
  readonly transforms?: string
  readonly from?: string
}): Promise<PlannedPipeline | string> {
  const { lanes = 2, schema = SCHEMA, transforms = '', from = 'log' } = options
  const text = `name: x
parallelism: ${lanes}
sources: {log: {connector: log, brokers: b, topics: [t]${schema === '' ? '' : `, ${schema}`}}}
transforms: {${transforms}}
sinks: {out: {from: ${from}, connector: keyed, key: [id]}}`
  const { planned, findings } = await buildPlan(parseText(text, 'x.yaml', 'yaml').value ?? {}, {
    connectors: PLAN_CONNECTORS,
    sql,
    baseDirectory: '/base',
    cores: 3,
    storeOpener,
  })
  return planned ?? findings.map(({ message }) => message).join('\n')
}

/** Steps with their stages and where their rows go. */
function shape(planned: PlannedPipeline | string): string[] {
  assert.ok(typeof planned !== 'string', String(planned))
  const stages = stagesOf(planned.plan.steps)
  return planned.plan.steps.map((step) => {
    const outputs =
      step.kind === 'sink' ? [] : step.kind === 'query' ? step.outputs.flatMap((one) => one.edges) : step.outputs
    return `${stages.get(step.id)} ${step.kind} ${step.id} → ${outputs.map(({ to }) => to).join()}`
  })
}

test('a sink that wants its rows by key stands behind an exchange, and is encoded for there', async () => {
  assert.deepEqual(shape(await planOf({})), [
    '0 source log → log.convert',
    '0 query log.convert → out.exchange',
    '0 exchange out.exchange → out.encode',
    '1 query out.encode → out',
    '1 sink out → ',
  ])
  const transforms = 'big: {from: log, filter: id > 1}, all: {from: log, map: {v: upper(v)}}'
  assert.deepEqual(shape(await planOf({ transforms, from: '[big, all]' })), [
    '0 source log → big+all',
    '0 query big+all → out.exchange,out.exchange',
    '0 exchange out.exchange → out.encode',
    '1 query out.encode → out',
    '1 sink out → ',
  ])
})

test('one lane has nothing to exchange', async () => {
  const steps = shape(await planOf({ lanes: 1 }))
  assert.ok(steps.every((step) => step.startsWith('0 ') && !step.includes('exchange')))
})

test('rows that nobody has described have no keys', async () => {
  const message = await planOf({ schema: '' })
  assert.equal(message, '"out" needs the columns of "log", which has no `schema`')
})

test('explain shows the exchange, its key and why it is there', async () => {
  const planned = await planOf({})
  assert.ok(typeof planned !== 'string')
  const text = explanationText(await explain(planned, PLAN_CONNECTORS))
  assert.match(
    text,
    /exchange out\.exchange \(between 2 lanes, all rows of a key go to one lane\)\n +key +id\n +why +the last row of a key wins\n/,
  )
  assert.match(text, /→ out\.encode: table; encoded there/)
})
