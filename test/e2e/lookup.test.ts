/** Rows of a table that are completed from another one, which changes, in a job that is killed. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'node:test'
import { useDatabase } from '../../scripts/services/databases.ts'
import { makeDatabase, type SliceDatabase } from '../../src/testkit/slice-tables.ts'
import { endedWell } from './kit/kills.ts'
import { PipelineHome } from './kit/pipeline-home.ts'

test('every row is completed once, by the table of its time, also when the job is killed', async () => {
  await using server = await useDatabase('postgres')
  await using tables = await makeDatabase(server.url)
  await using home = await PipelineHome.create()
  await tables.run('CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL)')
  await tables.run("INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')")
  await tables.run('CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint NOT NULL)')
  await tables.run('INSERT INTO orders (user_id) SELECT n % 4 FROM generate_series(1, 1000) n')
  writePipeline(home, tables)
  {
    await using killed = home.start('commit:before@1=kill')
    assert.equal((await killed.ended()).signal, 'SIGKILL')
  }
  await using run = home.start()
  await until(home, (names) => names.length === 1000)
  assert.deepEqual(countsOf(namesIn(home)), { Ann: 250, Bob: 250, nobody: 500 })
  await tables.run("UPDATE users SET name = 'Anna' WHERE id = 1; INSERT INTO users VALUES (3, 'Cid')")
  // A newer table counts from some checkpoint on: rows of later find it.
  for (let rows = 1000, seen = false; !seen; rows += 4) {
    await tables.run('INSERT INTO orders (user_id) VALUES (0), (1), (2), (3)')
    await until(home, (names) => names.length === rows + 4)
    seen = ['Anna', 'Cid'].every((name) => namesIn(home).includes(name))
  }
  run.signal('SIGTERM')
  await endedWell(run)
})

test('keys are asked for on demand, and every row is completed once, also when the job is killed', async () => {
  await using server = await useDatabase('postgres')
  await using tables = await makeDatabase(server.url)
  await using home = await PipelineHome.create()
  await tables.run('CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL)')
  await tables.run("INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 100000) n")
  await tables.run('CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint NOT NULL)')
  await tables.run('INSERT INTO orders (user_id) SELECT (n % 500) * 250 FROM generate_series(1, 1000) n')
  const address = JSON.stringify({ connector: 'postgres', ...tables.address }).slice(1, -1)
  const lookup = `{table: {${address}, table: users, column: id}, on: {user_id: id}, columns: [name], onDemand: {keys: 100}}`
  home.write({
    sources: `orders: {${address}, table: orders, column: id, end: latest}`,
    transforms: `named: {from: orders, lookup: ${lookup}}`,
    sinks: 'out: {from: named, connector: files, path: ./out, format: ndjson}',
  })
  {
    await using killed = home.start('commit:before@1=kill')
    assert.equal((await killed.ended()).signal, 'SIGKILL')
  }
  await using run = home.start()
  await endedWell(run)
  // Of 500 keys there is none for 0, and 401 and more lie behind the last user.
  const counts = countsOf(namesIn(home))
  assert.equal(counts['nobody'], 200)
  assert.equal(counts['user 250'], 2)
  assert.equal(Object.keys(counts).length, 401)
})

function writePipeline(home: PipelineHome, { address }: SliceDatabase): void {
  const server = JSON.stringify({ connector: 'postgres', ...address }).slice(1, -1)
  const lookup = `{table: {${server}, table: users, column: id, end: latest}, on: {user_id: id}, columns: [name], refresh: 200ms}`
  home.write({
    sources: `orders: {${server}, table: orders, column: id, interval: 50ms}`,
    transforms: `named: {from: orders, lookup: ${lookup}}`,
    sinks: 'out: {from: named, connector: files, path: ./out, format: ndjson}',
  })
}

function namesIn({ directory }: PipelineHome): string[] {
  const folder = path.join(directory, 'out')
  const files = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : []
  return files
    .filter((file) => /^[^._].*\.ndjson$/.test(file))
    .flatMap((file) => readFileSync(path.join(folder, file), 'utf8').trimEnd().split('\n'))
    .map((line) => (JSON.parse(line) as { readonly name: string | null }).name ?? 'nobody')
}

function countsOf(names: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]))
}

async function until(home: PipelineHome, isEnough: (names: readonly string[]) => boolean): Promise<void> {
  const signal = AbortSignal.timeout(180_000)
  for (let names: readonly string[] = []; !isEnough(names); names = namesIn(home)) {
    assert.ok(!signal.aborted, `readers see ${names.length} rows`)
    await pause(50)
  }
}
