import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { storeOpener } from '../storage/open-store.ts'
import { PLAN_CONNECTORS } from '../testkit/plan-connectors.ts'
import type { SourceDescription } from '../core/connector.ts'
import { buildPlan } from './build-plan.ts'
import type { Draft } from './check-definition.ts'
import { deadLetterFindings } from './dead-letter-drafts.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { linedUpSteps } from './lined-up.ts'
import { parseText } from './parse-yaml.ts'
import type { Plan } from './plan.ts'
import { edgesOf } from './stages.ts'

const sql = new DuckdbChecker()
after(() => sql[Symbol.asyncDispose]())

const SOURCE = 'log: {connector: log, brokers: b, topics: [t], schema: {id: bigint, v: varchar}'

async function plan(parts: { sources?: string; transforms?: string; sinks: string }): Promise<Plan | string[]> {
  const { sources = `${SOURCE}, deadLetter: {to: bad}}`, transforms = '', sinks } = parts
  const text = `name: x\nparallelism: 1\nsources: {${sources}}\ntransforms: {${transforms}}\nsinks: {${sinks}}`
  const { planned, findings } = await buildPlan(parseText(text, 'x.yaml', 'yaml').value ?? {}, {
    connectors: PLAN_CONNECTORS,
    sql,
    baseDirectory: '/base',
    cores: 1,
    storeOpener,
  })
  return planned?.plan ?? findings.map(({ path, message }) => `${path?.join('.')}: ${message}`)
}

function shape(made: Plan | string[]): string[] {
  assert.ok(!Array.isArray(made), String(made))
  return made.steps.map((step) => `${step.kind} ${step.id} → ${edgesOf(step).map(({ to }) => to)}`)
}

const OUT = 'out: {from: log, connector: keyed, key: [id]}'
const BAD = 'bad: {connector: keyed, key: [split]}'

test('dead letters enter the flow beside their source, and its records are decoded before a sink gets them', async () => {
  const made = await plan({ sinks: `${OUT}, ${BAD}` })
  assert.deepEqual(shape(made), [
    'source log → log.convert',
    'letters bad.letters → bad.letters.convert',
    'query log.convert → out',
    'query bad.letters.convert → bad',
    'sink out → ',
    'sink bad → ',
  ])
  assert.ok(!Array.isArray(made))
  assert.deepEqual(made.deadLetters, { log: { to: 'bad', maxRatio: 0.1 } })
  assert.deepEqual([...linedUpSteps(made.steps)], [['log.convert', undefined]])
})

test('transforms become one step where their dead letters go the same way', async () => {
  const same =
    'a: {from: log, map: {v: upper(v)}, deadLetter: {to: bad}}, b: {from: a, filter: id > 1, deadLetter: {to: bad}}'
  const sinks = `${OUT.replace('from: log', 'from: b')}, ${BAD}`
  assert.ok(shape(await plan({ transforms: same, sinks })).includes('query a+b → out'))
  const other = same.replace('id > 1, deadLetter: {to: bad}', 'id > 1')
  const steps = shape(await plan({ transforms: other, sinks }))
  assert.ok(steps.includes('query a → b') && steps.includes('query b → out'), String(steps))
})

for (const [name, parts, message] of [
  ['an unknown sink', { sinks: OUT }, 'sources.log.deadLetter.to: there is no sink "bad"'],
  [
    'a sink with rows of its own',
    { sinks: `${OUT}, bad: {from: log, connector: keyed, key: [id]}` },
    'sinks.bad.from: takes dead letters, which have columns of their own',
  ],
  [
    'dead letters of dead letters',
    { sinks: `${OUT}, bad: {connector: keyed, key: [split], deadLetter: {to: bad}}` },
    'sinks.bad.deadLetter: "bad" takes dead letters and can have none of its own',
  ],
  [
    'a source that nothing decodes',
    { sources: 'log: {connector: log, brokers: b, topics: [t], deadLetter: {to: bad}}', sinks: `${OUT}, ${BAD}` },
    'sources.log.deadLetter: without `schema` nothing of "log" is decoded, so nothing can fail',
  ],
] as const) {
  test(`${name} is refused`, async () => {
    const found = await plan(parts)
    assert.ok(Array.isArray(found) && found.includes(message), String(found))
  })
}

test('of a source of several tables nothing can be put aside, unless its reader does so itself', () => {
  const feed = { id: 'feed', schema: [], deadLetter: { to: 'bad', maxRatio: 1 } }
  const draft = { sources: [feed], transforms: [], sinks: [{ id: 'bad' }], broken: [] } as unknown as Draft
  const of = (setsAside: boolean): string[] => {
    const described = { gives: ['bytes'], format: 'json', tables: true, setsAside } as unknown as SourceDescription
    return deadLetterFindings(draft, new Map([['feed', described]])).map(({ message }) => message)
  }
  assert.deepEqual(of(true), [])
  assert.deepEqual(of(false), ['"feed" gives rows of several tables, of which none can be put aside'])
})
