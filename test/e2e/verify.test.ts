/** `millrace verify`: a user's pipeline is played through faults, and the certificate says what came of it. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import { openPipeline } from '../../src/cli/pipelines.ts'
import { parseFile } from '../../src/plan/parse-file.ts'
import type { Certificate } from '../../src/testkit/verify/certificate.ts'
import { verify } from '../../src/testkit/verify/verify.ts'
import { useDatabase } from '../../scripts/services/databases.ts'
import { openSqlTarget } from '../../src/testkit/sql-target.ts'
import { repository } from '../tidy/source-tree.ts'
import { millrace } from './command-line.ts'

const SOURCE = `rows: {connector: kafka, brokers: ['nowhere:9092'], topics: [t], schema: {id: bigint, word: varchar, price: 'decimal(18,4)'}}`

function pipeline(directory: string, sink: string): string {
  const file = path.join(directory, 'orders.yaml')
  writeFileSync(
    file,
    `name: orders
sources: {${SOURCE}}
transforms: {loud: {from: rows, sql: 'SELECT id, upper(word) AS word, price FROM rows WHERE id % 3 > 0'}}
sinks: {out: {from: loud, ${sink}}}
`,
  )
  return file
}

suite('verify', { concurrency: 2 }, () => {
  test('plays the pipeline through faults without its servers, and certifies that all held', async () => {
    await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-verify-test-'))
    const warehouse =
      'connector: starrocks, url: [http://nowhere:8030], allowPlaintext: true, database: shop, table: orders'
    pipeline(home.path, warehouse)
    const { code, out, err } = await millrace(
      home.path,
      'verify',
      'orders.yaml',
      '--rows',
      '30',
      '--only',
      'prepare',
      '--json',
    )
    assert.equal(code, 0, out + err)
    const { result } = JSON.parse(out) as { result: Certificate }
    assert.deepEqual([result.broken, result.rows, result.sinks[0]?.rows], [0, 30, 20])
    assert.ok(result.held >= 4, 'undisturbed, kills, a lost reply and a twin')
    const page = readFileSync(path.join(home.path, 'orders.verified.html'), 'utf8')
    assert.match(page, /stopped beside a twin/)
    assert.match(page, /reply lost/)
    assert.doesNotMatch(page, /https?:|<script/)
    assert.deepEqual(JSON.parse(readFileSync(path.join(home.path, 'orders.verified.json'), 'utf8')), result)
  })

  test('a row too many is found, wherever it comes from', async () => {
    await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-verify-test-'))
    const file = pipeline(home.path, 'connector: files, path: ./out, format: json')
    // As a program that writes a row again whenever it goes on from a commit that was not confirmed.
    const faulty = path.join(home.path, 'faulty.mjs')
    writeFileSync(
      faulty,
      `import { appendFileSync, globSync, existsSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
const { status, signal, stdout, stderr } = spawnSync(process.execPath, [${JSON.stringify(path.join(repository, 'src/cli/main.ts'))}, ...process.argv.slice(2)])
process.stdout.write(stdout); process.stderr.write(stderr)
const out = path.join(path.dirname(process.argv[3]), 'out', 'out')
if (status === 0 && String(stdout).match(/"recommitted":[1-9]/)) {
  const [file] = globSync('*.ndjson', { cwd: out })
  appendFileSync(path.join(out, file), '{"id":"1","word":"TWICE","price":"1.0000"}\\n')
}
if (signal) process.kill(process.pid, signal)
process.exitCode = status
`,
    )
    const { planned } = await openPipeline(file, 'leave')
    const { value } = await parseFile(file)
    assert.ok(planned !== undefined && value !== undefined)
    const { outcomes } = await verify({
      value,
      plan: planned.plan,
      program: faulty,
      rows: 30,
      seed: 1,
      only: 'commit:after',
      width: 2,
      signal: new AbortController().signal,
      played: () => undefined,
    })
    const broken = outcomes.filter(({ result }) => result === 'broken')
    assert.ok(broken.length > 0 && broken.every(({ extra, lost }) => extra === 1 && lost === 0))
    assert.equal(outcomes[0]?.result, 'held', 'undisturbed it is right')
  })

  test('what generated rows cannot stand in for is said before anything runs', async () => {
    await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-verify-test-'))
    writeFileSync(
      path.join(home.path, 'p.yaml'),
      `name: p
sources: {lines: {connector: kafka, brokers: ['nowhere:9092'], topics: [t], format: raw}}
sinks: {out: {from: lines, connector: blackhole}}
`,
    )
    const { code, err } = await millrace(home.path, 'verify', 'p.yaml')
    assert.equal(code, 64)
    assert.match(err, /the source "lines" \(kafka\) cannot be played: it reads raw records/)
  })

  test('SQL sinks are played on their own server, and leave nothing there; a DuckDB file is read too', async () => {
    await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-verify-test-'))
    await using server = await useDatabase('postgres')
    await using target = await openSqlTarget(server.url)
    await target.query('CREATE TABLE orders (id BIGINT PRIMARY KEY, word TEXT, price NUMERIC(18,4))')
    await target.query("INSERT INTO orders VALUES (-1, 'of the user', 1)")
    const file = path.join(home.path, 'p.yaml')
    writeFileSync(
      file,
      `name: p
delivery: convergent
sources: {${SOURCE}}
sinks:
  out: {from: rows, connector: postgres, url: '${target.url}', username: ${target.username}, password: '${target.password}', table: orders, key: [id], pageRows: 7}
  file: {from: rows, connector: duckdb, path: ./nowhere.duckdb, table: orders, key: [id]}
`,
    )
    const { planned } = await openPipeline(file, 'leave')
    const { value } = await parseFile(file)
    assert.ok(planned !== undefined && value !== undefined)
    const { outcomes, sinks } = await verify({
      value,
      plan: planned.plan,
      program: path.join(repository, 'src/cli/main.ts'),
      rows: 40,
      seed: 1,
      only: 'COMMIT',
      width: 2,
      onServers: true,
      signal: new AbortController().signal,
      played: () => undefined,
    })
    assert.deepEqual(
      outcomes.map(({ result, why }) => why ?? result),
      outcomes.map(() => 'held'),
    )
    assert.deepEqual(
      outcomes.map(({ play }) => play.kind),
      ['clean', 'lost reply'],
    )
    assert.deepEqual(
      sinks.map(({ rows }) => rows),
      [40, 40],
    )
    assert.deepEqual(await target.query('SELECT id, word FROM orders'), [['-1', 'of the user']])
    assert.deepEqual(await target.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'millrace_verify%'"), [])
  })

  test('a sink that nothing stands in for is named before anything runs', async () => {
    await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-verify-test-'))
    writeFileSync(
      path.join(home.path, 'p.yaml'),
      `name: p
sources: {${SOURCE}}
sinks: {out: {from: rows, connector: mysql, url: 'mysql://localhost:1/db', username: u, table: t}}
`,
    )
    const { code, err } = await millrace(home.path, 'verify', 'p.yaml')
    assert.equal(code, 64)
    assert.match(err, /the sink "out" \(mysql\) is played on its own server only: .* say --on-servers/)
  })
})
