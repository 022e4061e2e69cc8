/** Which columns of a source the plan reads: those that the first SQL after it names. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { storeOpener } from '../storage/open-store.ts'
import { PLAN_CONNECTORS } from '../testkit/plan-connectors.ts'
import { buildPlan } from './build-plan.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { parseText } from './parse-yaml.ts'

const sql = new DuckdbChecker()
after(() => sql[Symbol.asyncDispose]())

async function readsOf(transforms: string, from: string): Promise<readonly string[] | undefined> {
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
  const source = planned.plan.steps.find((step) => step.kind === 'source')
  return source?.kind === 'source' ? source.reads : undefined
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
    assert.deepEqual(await readsOf(transforms, from), reads)
  })
}
