import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { storeOpener } from '../storage/open-store.ts'
import { PLAN_CONNECTORS } from '../testkit/plan-connectors.ts'
import { buildPlan, type PlannedPipeline } from './build-plan.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { interpolate } from './interpolate.ts'
import { optionTable } from './option-table.ts'
import { parseText } from './parse-yaml.ts'
import { formatPath } from './parsed-file.ts'

const sql = new DuckdbChecker()
after(() => sql[Symbol.asyncDispose]())

const SOURCES = `
  log: {connector: log, brokers: b, topics: [t], schema: {id: bigint, v: varchar}}`

/** A whole pipeline around the given parts. */
function pipeline(parts: { sources?: string; transforms?: string; sinks: string; top?: string }): string {
  const { sources = SOURCES, transforms = '', sinks, top = '' } = parts
  return `name: x\n${top}\nsources:${sources}\ntransforms: {${transforms}}\nsinks: {${sinks}}`
}

async function build(text: string, environment: Record<string, string> = {}): ReturnType<typeof buildPlan> {
  const parsed = parseText(text, 'x.yaml', 'yaml')
  assert.deepEqual(parsed.findings, [])
  const { value, paths } = interpolate(parsed.value ?? {}, environment)
  return buildPlan(value, {
    connectors: PLAN_CONNECTORS,
    sql,
    baseDirectory: '/base',
    cores: 3,
    storeOpener,
    fromEnvironment: paths,
  })
}

async function planned(text: string, environment?: Record<string, string>): Promise<PlannedPipeline> {
  const { planned: found, findings } = await build(text, environment)
  assert.ok(found, JSON.stringify(findings))
  return found
}

async function refused(text: string): Promise<string> {
  const { planned: found, findings } = await build(text)
  assert.equal(found, undefined)
  return findings.map(({ path, message }) => `${formatPath(path ?? [])}: ${message}`).join('\n')
}

const OUT = 'out: {from: log, connector: lines, table: t}'

test('defaults are those of the file format', async () => {
  const { plan } = await planned(pipeline({ sinks: OUT }))
  assert.deepEqual(plan.times, { intervalMs: 10_000, timeoutMs: 60_000, maxDowntimeMs: 43_200_000, retained: 3 })
  assert.deepEqual([plan.parallelism, plan.storage, plan.mode, plan.was], [3, '/base/.millrace', 'two-phase', []])
  const other = await planned(
    pipeline({ top: 'checkpoint: {storage: "s3://b/p"}\nwas: y\ndelivery: at-least-once', sinks: OUT }),
  )
  assert.deepEqual([other.plan.storage, other.plan.mode, other.plan.was], ['s3://b/p', 'at-least-once', ['y']])
})

test('texts from the environment stand for numbers and booleans, texts in the file do not', async () => {
  const { plan } = await planned(pipeline({ top: 'parallelism: ${N}', sinks: OUT }), { N: '7' })
  assert.equal(plan.parallelism, 7)
  const sources = SOURCES.replace('topics: [t]', 'topics: ["${T}"], retries: "${N}"')
  const [source] = (await planned(pipeline({ sources, sinks: OUT }), { N: '7', T: '8' })).plan.steps
  assert.ok(source?.kind === 'source')
  assert.deepEqual([source.options['topics'], source.options['retries']], [['8'], 7])
  assert.match(
    await refused(pipeline({ top: 'parallelism: "7"', sinks: OUT })),
    /^parallelism: expected a number, found text$/,
  )
})

test('the fingerprint depends on identity and targets, not on tuning, SQL, schemas or secrets', async () => {
  const of = async (text: string): Promise<string> => (await planned(text)).plan.fingerprint
  const base = pipeline({
    sinks: 'out: {from: log, connector: warehouse, url: "http://a:1", database: d, table: t, password: p}',
  })
  const same = await of(base)
  for (const [from, to] of [
    ['topics: [t]', 'topics: [t, u]'],
    ['v: varchar', 'v: varchar, w: double'],
    ['password: p', 'password: q'],
    ['http://a:1', 'http://b:1'],
    ['name: x\n', 'name: x\nparallelism: 9\n'],
  ] as const) {
    assert.equal(await of(base.replace(from, to)), same, to)
  }
  for (const [from, to] of [
    ['table: t', 'table: u'],
    ['database: d', 'database: e'],
    ['name: x\n', 'name: y\n'],
    ['out:', 'other:'],
  ] as const) {
    assert.notEqual(await of(base.replace(from, to)), same, to)
  }
})

test('the promise is that of the weakest part and is compared with what was asked for', async () => {
  const keyed = 'keyed: {from: log, connector: upserts, table: t, key: [id]}'
  assert.match(await refused(pipeline({ sinks: keyed })), /^delivery: keyed promises only convergent/)
  assert.equal(
    (await planned(pipeline({ top: 'delivery: convergent', sinks: keyed }))).plan.delivery.class,
    'convergent',
  )
  assert.equal(
    (await planned(pipeline({ sinks: `${OUT}, b: {from: log, connector: nowhere}` }))).plan.delivery.class,
    'exact',
  )
  assert.match(
    await refused(pipeline({ top: 'delivery: atomic', sinks: `${OUT}, b: {from: log, connector: nowhere}` })),
    /pipeline promises only exact \(2 sinks commit a checkpoint one after the other\)/,
  )
  const slices = '\n  log: {connector: slices, table: t, schema: {id: bigint}}'
  assert.match(
    await refused(pipeline({ sources: slices, sinks: OUT })),
    /^accept: log keeps its promise only if "monotonic-ids" holds$/,
  )
  const accepted = await planned(pipeline({ sources: slices, top: 'accept: [monotonic-ids, unicorns]', sinks: OUT }))
  assert.deepEqual(accepted.plan.delivery.assumptions, ['monotonic-ids'])
  assert.deepEqual(
    accepted.plan.findings.map((finding) => [finding.severity, finding.message]),
    [['warning', 'nothing here assumes "unicorns"']],
  )
})

test('ids, branches and lists that do not fit are named', async () => {
  const route = 'kinds: {from: log, route: {a: id = 1}}'
  const rest = 'rest: {from: kinds.default, connector: nowhere}'
  assert.match(
    await refused(pipeline({ transforms: route, sinks: 'a: {from: kinds, connector: nowhere}' })),
    /is a route: read one of its branches/,
  )
  assert.match(
    await refused(pipeline({ transforms: route, sinks: `a: {from: kinds.b, connector: nowhere}, ${rest}` })),
    /unknown id "kinds\.b"/,
  )
  assert.match(await refused(pipeline({ transforms: route, sinks: `${rest}` })), /route\.a: nothing reads "kinds\.a"/)
  assert.match(
    await refused(pipeline({ sinks: `${OUT}, b: {from: log.errors, connector: nowhere}` })),
    /"log\.errors" is not available yet/,
  )
  assert.match(await refused(pipeline({ sinks: 'LOG: {from: log, connector: nowhere}' })), /already used in sources/)
  assert.match(await refused(pipeline({ sinks: `out: {from: [log, log], connector: nowhere}` })), /listed twice/)
  const two = `${SOURCES}\n  two: {connector: log, brokers: b, topics: [u], schema: {id: integer, v: varchar}}`
  assert.match(
    await refused(pipeline({ sources: two, sinks: 'o: {from: [log, two], connector: nowhere}' })),
    /"log" and "two" have different schemas/,
  )
  assert.match(
    await refused(
      pipeline({ transforms: 'input: {from: log, filter: id > 1}', sinks: 'o: {from: input, connector: nowhere}' }),
    ),
    /"input" is reserved/,
  )
})

test('values that nobody described, or that cannot be decoded, are refused where they are needed only', async () => {
  const undescribed = '\n  log: {connector: log, brokers: b, topics: [t]}'
  const raw = '\n  log: {connector: log, brokers: b, topics: [t], format: raw, schema: {id: bigint}}'
  assert.equal((await planned(pipeline({ sources: undescribed, sinks: OUT }))).plan.steps.length, 2)
  assert.match(
    await refused(pipeline({ sources: undescribed, sinks: 'o: {from: log, connector: lake, path: p}' })),
    /"o" needs the columns of "log"/,
  )
  assert.match(
    await refused(
      pipeline({
        sources: undescribed,
        transforms: 'f: {from: log, filter: id > 1}',
        sinks: 'o: {from: f, connector: nowhere}',
      }),
    ),
    /"f" needs the columns of "log"/,
  )
  assert.equal(
    (await planned(pipeline({ sources: raw, sinks: 'o: {from: log, connector: nowhere}' }))).plan.steps.length,
    2,
  )
  assert.match(
    await refused(pipeline({ sources: raw, sinks: OUT })),
    /"out" needs columns, and "log" gives raw records/,
  )
})

test('expressions stay expressions: what would make another statement of them is refused', async () => {
  const sinks = 'o: {from: f, connector: nowhere}'
  for (const filter of [
    '1=1) UNION ALL (SELECT 1',
    '1=1) OR (true',
    "v = '(') OR (true",
    'id > 1; DROP TABLE log',
    "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0",
    'row_number() OVER () = 1',
    'random() > 0.5',
  ]) {
    assert.match(
      await refused(pipeline({ transforms: `f: {from: log, filter: ${JSON.stringify(filter)}}`, sinks })),
      /transforms\.f\.filter: /,
      filter,
    )
  }
  for (const map of ['id, v', '1 AS a, 2', 'sum(id)', '1) AS a, (2']) {
    assert.match(
      await refused(pipeline({ transforms: `f: {from: log, map: {id: ${JSON.stringify(map)}}}`, sinks })),
      /transforms\.f\.map/,
      map,
    )
  }
  const commented = await planned(pipeline({ transforms: 'f: {from: log, filter: "id > 1 -- big ones"}', sinks }))
  assert.match(JSON.stringify(commented.plan.steps[1]), /-- big ones\\n\) IS TRUE/)
})

test('a column of the schema is meant where what the source knows of its records has the same name', async () => {
  const transforms = "t: {from: log, sql: 'SELECT *, _partition + 1 AS next FROM log WHERE _offset > 1'}"
  const sources = SOURCES.replace('v: varchar', '_OFFSET: bigint')
  const { plan } = await planned(pipeline({ sources, transforms, sinks: 'out: {from: t, connector: lines, table: t}' }))
  const [source, query] = plan.steps
  assert.ok(source?.kind === 'source' && query?.kind === 'query')
  assert.deepEqual(source.metadata, ['_partition'])
  assert.deepEqual(
    query.selects[0]?.schema.map(({ name }) => name),
    ['id', '_OFFSET', '_partition', 'next'],
  )
})

test('settings for object storage are kept where they were written: stores put them together', async () => {
  const sources = '\n  log: {connector: slices, table: t, s3: {pathStyle: true}, schema: {id: bigint}}'
  const { plan } = await planned(pipeline({ top: 's3: {region: eu}\naccept: [monotonic-ids]', sources, sinks: OUT }))
  const [source, sink] = [plan.steps.at(0), plan.steps.at(-1)]
  assert.ok(source?.kind === 'source' && sink?.kind === 'sink')
  assert.deepEqual(
    [JSON.stringify(source.options), Object.keys(sink.options), plan.s3],
    ['{"table":"t","s3":{"pathStyle":true}}', ['table'], { region: 'eu' }],
  )
})

test('the option table says type, default, example and what is secret', async () => {
  const warehouse = await PLAN_CONNECTORS.load('warehouse')
  assert.ok(warehouse?.sink)
  const rows = optionTable(warehouse.sink.options).map((row) => [
    row.name,
    row.type,
    row.isRequired,
    row.default,
    row.example,
  ])
  assert.deepEqual(rows, [
    ['url', 'text | list of text', true, '', ''],
    ['database', 'text', true, '', ''],
    ['table', 'text', true, '', ''],
    ['username', 'text', false, 'root', ''],
    ['password', 'secret', false, '', ''],
    ['loadBytesMax', 'size', false, '32MiB', '64MiB'],
  ])
})
