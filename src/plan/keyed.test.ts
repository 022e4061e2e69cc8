/** Aggregates and deduplicates in the plan: their steps, their columns, and what is wrong with a definition. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { storeOpener } from '../storage/open-store.ts'
import { PLAN_CONNECTORS } from '../testkit/plan-connectors.ts'
import { buildPlan } from './build-plan.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { formatSchema } from './flow.ts'
import { parseText } from './parse-yaml.ts'
import { formatPath } from './parsed-file.ts'
import { stagesOf } from './stages.ts'

const sql = new DuckdbChecker()
after(() => sql[Symbol.asyncDispose]())

const SCHEMA = '{id: bigint, v: varchar, ts: timestamp(3), amount: "decimal(12,2)", f: double}'
const OUT = 'out: {from: agg, connector: lines, table: t}'

async function build(transforms: string, sinks: string = OUT, lanes = 2): ReturnType<typeof buildPlan> {
  const source = `log: {connector: log, brokers: b, topics: [t], schema: ${SCHEMA}}`
  const text = `name: x\nparallelism: ${lanes}\nsources: {${source}}\ntransforms: {${transforms}}\nsinks: {${sinks}}`
  const parsed = parseText(text, 'x.yaml', 'yaml')
  assert.deepEqual(parsed.findings, [])
  return buildPlan(parsed.value ?? {}, { connectors: PLAN_CONNECTORS, sql, baseDirectory: '/', cores: 2, storeOpener })
}

async function aggregate(definition: string): Promise<string> {
  const { findings } = await build(`agg: {from: log, aggregate: ${definition}}`)
  return findings.map(({ path, message }) => `${formatPath(path ?? [])}: ${message}`).join('\n')
}

test('an aggregate gathers where rows are read, exchanges by key, and keeps where the key lives', async () => {
  const window = 'window: {tumbling: 1m}, watermark: {column: TS, delay: 5s}'
  const transforms = `agg: {from: log, aggregate: {groupBy: [id, v], ${window}, aggregates: {n: count(*), total: sum(amount), share: "sum(amount) / count(*)"}}}`
  const late = `${OUT}, late: {from: agg.late, connector: lines, table: l}`
  const { planned, findings } = await build(transforms, late)
  assert.ok(planned !== undefined, JSON.stringify(findings))
  const stages = stagesOf(planned.plan.steps)
  assert.deepEqual(
    ['agg.partial', 'agg.exchange', 'agg', 'out', 'late'].map((id) => [id, stages.get(id)]),
    [
      ['agg.partial', 0],
      ['agg.exchange', 0],
      ['agg', 1],
      ['out', 1],
      ['late', 0],
    ],
  )
  const step = planned.plan.steps.find(({ kind }) => kind === 'aggregate')
  assert.ok(step?.kind === 'aggregate')
  const columns = 'window_start timestamp(6) not null, window_end timestamp(6) not null, n bigint, total decimal(38,2)'
  assert.equal(formatSchema(step.work.output), `id bigint, v varchar, ${columns}, share double`)
  assert.equal(step.work.parts.length, 2, 'what two results need is computed once')
  const alone = await build(transforms, late, 1)
  assert.deepEqual(
    alone.planned?.plan.steps.filter(({ kind }) => kind === 'exchange'),
    [],
    'one lane keeps all keys',
  )
})

test('sessions that may be given before they are final say which of their results are deleted', async () => {
  for (const [more, hasOp] of [
    ['', false],
    ['lateness: 0s,', false],
    ['lateness: 1m,', true],
    ['emit: {every: 1m},', true],
  ] as const) {
    const definition = `{groupBy: id, window: {session: 1m}, watermark: {column: ts}, ${more} aggregates: {n: count(*)}}`
    const late = `${OUT}, late: {from: agg.late, connector: lines, table: l}`
    const { planned, findings } = await build(`agg: {from: log, aggregate: ${definition}}`, late)
    const step = planned?.plan.steps.find(({ kind }) => kind === 'aggregate')
    assert.ok(step?.kind === 'aggregate', JSON.stringify(findings))
    assert.equal(
      step.work.output.some(({ name }) => name === '__op'),
      hasOp,
      more,
    )
  }
})

test('results that are taken back want a sink that shows nothing ahead of its checkpoint', async () => {
  const agg = 'groupBy: id, window: {session: 1m}, watermark: {column: ts}, aggregates: {n: count(*)}'
  const upserts = (from: string): string => `out: {from: ${from}, connector: upserts, table: t, key: [id]}`
  const late = 'late: {from: agg.late, connector: upserts, table: l, key: [id]}'
  const messages = async (transforms: string, sinks: string): Promise<string[]> => {
    const { findings } = await build(transforms, sinks)
    return findings
      .filter(({ message }) => message.includes('takes results back'))
      .map(({ path, message }) => `${formatPath(path ?? [])}: ${message.split(',')[0]}`)
  }
  const early = `agg: {from: log, aggregate: {${agg}, emit: {every: 1m}}}`
  const found = ['sinks.out: "agg" takes results back when a session changes']
  assert.deepEqual(await messages(early, `${upserts('agg')}, ${late}`), found, 'late rows are no results')
  const behind = `${early}, some: {from: agg, filter: n > 1}`
  assert.deepEqual(await messages(behind, `${upserts('some')}, ${late}`), found)
  assert.deepEqual(await messages(`agg: {from: log, aggregate: {${agg}}}`, `${upserts('agg')}, ${late}`), [])
  assert.deepEqual(await messages(early, `${OUT}, ${late}`), [])
})

test('mistakes in an aggregate are named where they stand', async () => {
  const time = 'watermark: {column: ts}'
  const cases: readonly (readonly [definition: string, finding: RegExp])[] = [
    ['{groupBy: idd, aggregates: {n: count(*)}}', /aggregate\.groupBy: there is no column "idd"/],
    ['{groupBy: [id, f], aggregates: {n: count(*)}}', /groupBy\[1\]: "f" is double, which makes no key/],
    ['{groupBy: id, aggregates: {n: id + 1}}', /aggregates\.n: there is no aggregate function in it/],
    ['{groupBy: id, aggregates: {n: sum(v)}}', /aggregates\.n: Binder Error: No function matches/],
    [
      '{groupBy: id, aggregates: {n: string_agg(v)}}',
      /aggregates\.n: string_agg\(\) cannot be computed piece by piece/,
    ],
    ['{groupBy: id, aggregates: {n: first(v)}}', /aggregates\.n: first\(\) needs event time/],
    ['{groupBy: id, aggregates: {n: "count(*) FROM log"}}', /aggregates\.n: this is more than one expression/],
    ['{groupBy: id, aggregates: {ID: count(*)}}', /aggregates\.ID: the result has two columns called "ID"/],
    ['{groupBy: id, window: {tumbling: 1m}, aggregates: {n: count(*)}}', /window: windows need event time/],
    [
      `{groupBy: id, window: {tumbling: 1m, session: 1m}, ${time}, aggregates: {n: count(*)}}`,
      /exactly one of tumbling/,
    ],
    [`{groupBy: id, window: {hopping: 1m}, ${time}, aggregates: {n: count(*)}}`, /hopping windows need `every`/],
    [`{groupBy: id, window: {cumulative: 1m, every: 7s}, ${time}, aggregates: {n: count(*)}}`, /every: the length/],
    [
      '{groupBy: id, watermark: {column: v}, aggregates: {n: count(*)}}',
      /watermark\.column: "v" is varchar, no moment/,
    ],
    ['{groupBy: id, lateness: 1m, aggregates: {n: count(*)}}', /lateness: nothing is late without windows/],
  ]
  for (const [definition, finding] of cases) assert.match(await aggregate(definition), finding, definition)
})

test('late rows that nobody reads would be lost, and are refused', async () => {
  const window = 'window: {tumbling: 1m}, watermark: {column: ts}'
  assert.match(
    await aggregate(`{groupBy: id, ${window}, aggregates: {n: count(*)}}`),
    /transforms\.agg: nothing reads "agg\.late": its rows would be lost/,
  )
})

test('what was brought together by key does not flow together with what was not, and has no event time', async () => {
  const agg = 'agg: {from: log, aggregate: {groupBy: [id, ts], aggregates: {n: count(*)}}}'
  const same = 'cut: {from: log, sql: "SELECT id, ts, 1::BIGINT AS n FROM log"}'
  const both = 'out: {from: [agg, cut], connector: lines, table: t}'
  const mixed = await build(`${agg}, ${same}`, both)
  assert.match(JSON.stringify(mixed.findings), /do not flow together/)
  const twice = `${agg}, again: {from: agg, deduplicate: {key: id, ttl: 1h, watermark: {column: ts}}}`
  const sinks = 'out: {from: again, connector: lines, table: t}, late: {from: again.late, connector: lines, table: l}'
  assert.match(JSON.stringify((await build(twice, sinks)).findings), /event time is not known behind/)
})

test('the definition of kept state changes with what it means, not with what is read from it', async () => {
  const definitionOf = async (aggregates: string, groupBy = 'id'): Promise<string> => {
    const { planned } = await build(`agg: {from: log, aggregate: {groupBy: ${groupBy}, aggregates: {${aggregates}}}}`)
    const step = planned?.plan.steps.find(({ kind }) => kind === 'aggregate')
    return step?.kind === 'aggregate' ? step.work.definition : assert.fail('there is an aggregate')
  }
  const before = await definitionOf('mean: avg(amount)')
  assert.equal(await definitionOf('mean: "round(avg(amount), 1)"'), before)
  assert.notEqual(await definitionOf('mean: avg(id)'), before)
  assert.notEqual(await definitionOf('mean: avg(amount)', 'v'), before)
})

test('a deduplicate by event time takes late rows out before the exchange, one by machine time has none', async () => {
  const timed = 'agg: {from: log, deduplicate: {key: [id, v], ttl: 1h, watermark: {column: ts, delay: 1m}}}'
  const { planned } = await build(timed, `${OUT}, late: {from: agg.late, connector: lines, table: l}`)
  assert.deepEqual(
    planned?.plan.steps.map(({ id }) => id).filter((id) => id.startsWith('agg')),
    ['agg.intake', 'agg.late.convert', 'agg.exchange', 'agg', 'agg.convert'],
  )
  const plain = await build('agg: {from: log, deduplicate: {key: id, ttl: 1h}}')
  assert.equal(
    plain.planned?.plan.steps.some(({ kind }) => kind === 'intake'),
    false,
  )
})
