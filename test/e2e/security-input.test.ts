/** Pipeline files, records and expressions that want more than they are given, tried on the real program from outside. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { millrace, resultOf } from './command-line.ts'
import { halted, JobHome } from './faults-kit/job-home.ts'
import { idsOf, sinkOf, startWarehouse, upTo } from './faults-kit/warehouse.ts'

const FILES = 'in: {connector: file, path: ./in, format: json, schema: {id: bigint, name: varchar}}'
const OUT = 'connector: files, path: ./out, format: ndjson'

function linesIn(home: JobHome, directory = 'out'): unknown[] {
  const root = path.join(home.directory, directory)
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(^|\/)[^._][^/]*\.ndjson$/.test(name))
    .flatMap((name) => readFileSync(path.join(root, name), 'utf8').trimEnd().split('\n'))
    .map((line) => JSON.parse(line) as unknown)
}

suite('input', { concurrency: 3 }, () => {
  test('S21: the prototype is out of reach for records, and no key of a pipeline file', async () => {
    await using home = await JobHome.create()
    const names = ['constructor', 'prototype', 'toString', 'polluted']
    const evil = names.map((name) => `{"id":1,"name":"x","${name}":{"polluted":"yes"},"__proto__":{"polluted":"yes"}}`)
    home.put('in/rows.ndjson', `${evil.join('\n')}\n`)
    home.put(
      'look.ts',
      'export default (row) => ({\n' +
        '  id: row.id, name: row.name, seen: String({}.polluted), own: String(row.__proto__ ?? "none"),\n' +
        '})\n',
    )
    home.write({
      sources: FILES.replace('name: varchar', 'name: varchar, "__proto__": varchar'),
      sinks: `out: {from: in, ${OUT}}`,
    })
    const { code, err } = await millrace(home.directory, 'run', 'job.yaml')
    assert.equal(code, 64, 'nor as the name of a column in the file')
    assert.match(err, /__proto__: this key is not allowed/)
    home.write({
      sources: FILES,
      transforms:
        'seen: {from: in, module: ./look.ts, schema: {id: bigint, name: varchar, seen: varchar, own: varchar}}',
      sinks: `out: {from: seen, ${OUT}}`,
    })
    const ran = await millrace(home.directory, 'run', 'job.yaml')
    assert.equal(ran.code, 0, ran.err)
    const rows = linesIn(home) as { seen: string; own: string }[]
    assert.deepEqual(
      rows.map(({ seen, own }) => [seen, own]),
      names.map(() => ['undefined', 'none']),
    )
  })

  test('S22: a value from the environment stays one text, whatever is in it', async () => {
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":1,"name":"x"}\n')
    const values = ['{a: b}', '[1, 2]', '${HOME}', '*alias', '!!js:function x', 'a: b # c', "'}, evil: {from: in"]
    const sinks = values.map(
      (_, at) => `s${at}: {from: in, connector: files, path: "./out/\${V${at}}", format: ndjson}`,
    )
    home.write({ sources: FILES, sinks: sinks.join(', ') })
    await using job = home.run(Object.fromEntries(values.map((value, at) => [`V${at}`, value])))
    assert.deepEqual(await job.ended(), { code: 0, signal: null }, job.err)
    assert.deepEqual(readdirSync(path.join(home.directory, 'out')).sort(), values.toSorted())
    for (const value of values) assert.equal(linesIn(home, `out/${value}`).length, 1, value)
    await using refused = home.run(Object.fromEntries(values.map((_, at) => [`V${at}`, 'a\nadmin: true'])))
    assert.equal((await refused.ended()).code, 64)
    assert.match(refused.err, /control characters/)
  })

  test('S24: SQL reaches no file, no network, no setting and no second statement', async () => {
    const corpus = [
      `SELECT * FROM read_csv('/etc/passwd')`,
      `SELECT * FROM '/etc/passwd'`,
      `SELECT id, (SELECT content FROM read_text('/etc/passwd')) AS name FROM \\"in\\"`,
      `SELECT id, (SELECT string_agg(file) FROM glob('/*')) AS name FROM \\"in\\"`,
      `COPY (SELECT 1) TO 'stolen.csv'`,
      `ATTACH 'stolen.db' AS stolen`,
      `INSTALL httpfs`,
      `LOAD httpfs`,
      `SET enable_external_access = true`,
      `PRAGMA database_list`,
      `SELECT id, getenv('CANARY') AS name FROM \\"in\\"`,
      `SELECT id, name FROM duckdb_secrets()`,
      `SELECT id, current_setting('temp_directory') AS name FROM \\"in\\"`,
      `SELECT id, name FROM \\"in\\"; COPY (SELECT 1) TO 'stolen.csv'`,
      `CREATE TABLE stolen AS SELECT 1`,
      `SELECT id, name FROM query('SELECT 1')`,
      `SELECT id, random() AS name FROM \\"in\\"`,
    ]
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":1,"name":"x"}\n')
    const steps = corpus.map((sql, index) => `t${index}: {from: in, sql: "${sql}"}`)
    const sinks = corpus.map((_, index) => `s${index}: {from: t${index}, connector: blackhole}`)
    home.write({ sources: FILES, transforms: steps.join(', '), sinks: sinks.join(', ') })
    await using job = home.run({ CANARY: 'canary-4711' })
    assert.equal((await job.ended()).code, 64, job.out + job.err)
    for (const index of corpus.keys())
      assert.match(job.err, new RegExp(`transforms\\.t${index}\\.sql`), `${corpus[index]} is refused`)
    assert.ok(!job.err.includes('canary-4711') && !job.err.includes('root:'))
    assert.ok(!readdirSync(home.directory).some((name) => name.startsWith('stolen')))
  })

  test('S24: an expression that builds more than the process may hold ends the job, which loses nothing', async () => {
    await using home = await JobHome.create()
    const lines = Array.from({ length: 40 }, (_, id) => `{"id":${id},"name":"x"}\n`)
    home.put('in/rows.ndjson', lines.join(''))
    // The database knows nothing of what its functions hold for the rows of a batch.
    const sql = (length: string): string => `SELECT id, sha256(repeat(name, ${length})) AS name FROM \\"in\\"`
    const write = (length: string): void =>
      home.write({
        sources: FILES,
        transforms: `t: {from: in, sql: "${sql(length)}"}`,
        sinks: `out: {from: t, ${OUT}}`,
        memoryLimit: '600MiB',
      })
    write('100000000 + id')
    const { code, err } = await millrace(home.directory, 'run', 'job.yaml')
    assert.equal(code, 1, err)
    assert.match(err, /MEMORY the process holds [\d.]+ MB, more than its memoryLimit of 629\.1 MB/)
    write('1000 + id')
    const ran = await millrace(home.directory, 'run', 'job.yaml')
    assert.equal(ran.code, 0, ran.err)
    assert.equal(linesIn(home).length, 40)
  })

  test('S25: no link and no NUL leads a module or a secret out of where it has to be', async () => {
    await using elsewhere = await JobHome.create()
    elsewhere.put('evil.ts', 'export default (row) => row\n')
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":1,"name":"x"}\n')
    symlinkSync(path.join(elsewhere.directory, 'evil.ts'), path.join(home.directory, 'link.ts'))
    symlinkSync(elsewhere.directory, path.join(home.directory, 'linked'))
    for (const module of ['./link.ts', './in/../linked/evil.ts', './evil.ts\\0.ts']) {
      home.write({
        sources: FILES,
        transforms: `t: {from: in, module: "${module}"}`,
        sinks: 'out: {from: t, connector: blackhole}',
      })
      const { code, err } = await millrace(home.directory, 'run', 'job.yaml')
      assert.equal(code, 64, `${module}: ${err}`)
    }
  })

  test('S26: what `explain` shows is what runs: systems, tables, SQL and the delivery class', async () => {
    await using server = await startWarehouse()
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n{"id":1,"name":"y"}\n')
    home.write({
      sources: FILES,
      transforms: 'loud: {from: in, sql: "SELECT id, upper(name) AS name FROM \\"in\\" WHERE id >= 0"}',
      sinks: `out: {from: loud, ${sinkOf('starrocks', server)}}`,
    })
    const { out } = await millrace(home.directory, 'explain', 'job.yaml')
    const shown = out.replaceAll(home.directory, '<here>').replaceAll(server.urls[0] ?? '', '<frontend>')
    assert.equal(shown, EXPLAINED)
    const answer = await resultOf<{ delivery: { class: string } }>(home.directory, 'explain', 'job.yaml')
    assert.equal((await millrace(home.directory, 'run', 'job.yaml')).code, 0)
    assert.deepEqual(idsOf(server), upTo(2))
    const tables = new Set(server.requests().flatMap(({ headers }) => headers['table'] ?? []))
    assert.deepEqual([...tables], ['events'], 'no other table was touched')
    const log = path.join(home.directory, 'state', 'job', 'log')
    const manifests = readdirSync(log).map((name) => readFileSync(path.join(log, name), 'utf8'))
    assert.ok(manifests.some((text) => text.includes(`"delivery":"${answer.delivery.class}"`)))
  })

  test('S14: a compressed file that unfolds without end or line is refused, in little memory', async () => {
    await using home = await JobHome.create()
    const megabytes = 300
    writeFileSync(
      path.join(home.directory, 'in', 'bomb.ndjson.gz'),
      gzipSync(Buffer.alloc(megabytes << 20, 0x61), { level: 9 }),
    )
    home.write({ sources: FILES, sinks: `out: {from: in, ${OUT}}` })
    await using job = home.run()
    const { code, event } = await halted(job)
    assert.equal(code, 71, job.err)
    assert.match(String(event['message']), /bomb\.ndjson\.gz/)
    const rss = Math.max(...job.events().map(({ rssBytes }) => Number(rssBytes ?? 0)))
    assert.ok(rss > 0 && rss < megabytes << 20, `${rss >> 20} MB`)
    assert.ok(!existsSync(path.join(home.directory, 'out')) || linesIn(home).length === 0)
  })
})

const EXPLAINED = `pipeline job: delivery atomic, two-phase, 1 lanes
checkpoints every 300ms into <here>/state (timeout 20s, safe downtime 10m, 3 kept)

source in (file, ends by itself, json records)
    path     ./in
    format   json
    columns  id bigint, name varchar
  → loud: bytes (NDJSON); decoded there

query loud (SQL over each batch)
    reads  in (id bigint, name varchar)
    loud   SELECT id, upper(name) AS name FROM "in" WHERE id >= 0
           → id bigint, name varchar
  → out: bytes (csv lines); encoded once by the query, as the reader wants it

sink out (starrocks, 1 writer)
    url       ["<frontend>"]
    database  demo
    table     events
    password  ***
    columns   id bigint, name varchar

delivery atomic: nothing weakens it
  * in: atomic, files are read again from any position, and a file that changed after it was listed is refused
  * out: atomic, one two-phase transaction per checkpoint
`
