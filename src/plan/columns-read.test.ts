/** Which columns of a source the plan reads, and which rows: those that the first SQL after it names and keeps. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { storeOpener } from '../storage/open-store.ts'
import { PLAN_CONNECTORS } from '../testkit/plan-connectors.ts'
import { buildPlan, type PlannedPipeline } from './build-plan.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { explain, explanationText } from './explain.ts'
import { parseText } from './parse-yaml.ts'
import type { SourceStep } from './plan.ts'

const sql = new DuckdbChecker()
after(() => sql[Symbol.asyncDispose]())

async function planOf(transforms: string, from: string): Promise<PlannedPipeline> {
  const text =
    'name: x\nsources: {rows: {connector: shelf, path: p, schema: {id: bigint, a: varchar, b: varchar, c: varchar}}}\n' +
    `transforms: {${transforms}}\nsinks: {out: {from: ${from}, connector: warehouse, url: 'http://h', database: d, table: t}}`
  const { planned, findings } = await buildPlan(parseText(text, 'x.yaml', 'yaml').value ?? {}, {
    connectors: PLAN_CONNECTORS,
    sql,
    baseDirectory: '/base',
    cores: 1,
    storeOpener,
    fromEnvironment: new Set(),
  })
  assert.ok(planned, JSON.stringify(findings))
  return planned
}

async function sourceOf(transforms: string, from: string): Promise<SourceStep> {
  const source = (await planOf(transforms, from)).plan.steps.find((step) => step.kind === 'source')
  assert.ok(source?.kind === 'source')
  return source
}

const CASES: readonly [what: string, transforms: string, from: string, reads: readonly string[] | undefined][] = [
  [
    'columns that are given and columns of conditions',
    `t: {from: rows, sql: "SELECT id FROM rows WHERE b > 'x'"}`,
    't',
    ['id', 'b'],
  ],
  ['names in any case', `t: {from: rows, sql: 'SELECT ID, upper(A) AS x FROM rows'}`, 't', ['id', 'a']],
  ['everything for a star', `t: {from: rows, sql: 'SELECT * FROM rows'}`, 't', undefined],
  ['everything for a filter, which gives all columns', `t: {from: rows, filter: 'id > 1'}`, 't', undefined],
  [
    'what every reader needs together',
    `t: {from: rows, sql: 'SELECT id, a FROM rows'}, u: {from: rows, sql: 'SELECT id, c AS a FROM rows'}`,
    '[t, u]',
    ['id', 'a', 'c'],
  ],
  [
    'only the first step after the source',
    `t: {from: rows, sql: 'SELECT id, a FROM rows'}, u: {from: t, sql: 'SELECT id FROM t'}`,
    'u',
    ['id', 'a'],
  ],
  ['no metadata columns', `t: {from: rows, sql: 'SELECT id, _file FROM rows'}`, 't', ['id']],
  [
    'everything when a sink takes the rows, too',
    `t: {from: rows, sql: 'SELECT id, a, b, c FROM rows'}`,
    '[rows, t]',
    undefined,
  ],
]
for (const [what, transforms, from, reads] of CASES) {
  test(`a plan reads ${what}`, async () => {
    assert.deepEqual((await sourceOf(transforms, from)).reads, reads)
  })
}

const PRUNED: readonly [what: string, transforms: string, from: string, prune: string | undefined][] = [
  [
    'the comparisons of a WHERE',
    `t: {from: rows, sql: "SELECT id FROM rows WHERE b > 'x' AND length(c) > 1"}`,
    't',
    `"b" > 'x'`,
  ],
  ['those of a filter', `t: {from: rows, filter: "id > 1 AND a = 'y'"}`, 't', `"id" > 1 AND "a" = 'y'`],
  [
    'either of two readers’',
    `t: {from: rows, filter: id > 1}, u: {from: rows, filter: "a = 'y'"}`,
    '[t, u]',
    `("id" > 1) OR ("a" = 'y')`,
  ],
  [
    'one condition that two readers share, once',
    `t: {from: rows, filter: id > 1}, u: {from: rows, filter: id > 1}`,
    '[t, u]',
    '"id" > 1',
  ],
  [
    'nothing that only a later step says',
    `t: {from: rows, map: {c: null}}, u: {from: t, filter: id > 1}`,
    'u',
    undefined,
  ],
  [
    'nothing when one reader takes all',
    `t: {from: rows, filter: id > 1}, u: {from: rows, map: {d: id}}, v: {from: u, map: {d: null}}`,
    '[t, v]',
    undefined,
  ],
  ['nothing when a sink takes the rows, too', `t: {from: rows, filter: id > 1}`, '[rows, t]', undefined],
  ['nothing for a route, which has a rest', `t: {from: rows, route: {one: id > 1}}`, '[t.one, t.default]', undefined],
]
for (const [what, transforms, from, prune] of PRUNED) {
  test(`files are pruned by ${what}`, async () => {
    assert.equal((await sourceOf(transforms, from)).prune, prune)
  })
}

test('explain shows what a source is pruned by', async () => {
  const planned = await planOf('t: {from: rows, filter: id > 1}', 't')
  assert.match(explanationText(await explain(planned, PLAN_CONNECTORS)), /^ +pruned by +"id" > 1$/m)
})
