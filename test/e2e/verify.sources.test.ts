/** `millrace verify` plays what each kind of source gives: real slices, CSV, columns about the records, changes. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import { useDatabase } from '../../scripts/services/databases.ts'
import { openPipeline } from '../../src/cli/pipelines.ts'
import { parseFile } from '../../src/plan/parse-file.ts'
import { makeDatabase } from '../../src/testkit/slice-tables.ts'
import type { RowsFrom } from '../../src/testkit/verify/inputs.ts'
import { verify, type Verified } from '../../src/testkit/verify/verify.ts'
import { repository } from '../tidy/source-tree.ts'
import { makeRowTable, selectRows } from './kit/iceberg-rows.ts'
import { ROW_SCHEMA } from './kit/rows.ts'
import { LogStream } from './sls-kit/log-stream.ts'

/** Undisturbed, and killed once. */
async function played(directory: string, pipeline: string, rowsFrom: RowsFrom = 'generated'): Promise<Verified> {
  const file = path.join(directory, 'p.yaml')
  writeFileSync(file, `name: p\n${pipeline}`)
  const { planned, findings } = await openPipeline(file, rowsFrom === 'generated' ? 'leave' : 'resolve')
  const { value } = await parseFile(file)
  assert.ok(planned !== undefined && value !== undefined, JSON.stringify(findings))
  const verified = await verify({
    value,
    plan: planned.plan,
    program: path.join(repository, 'src/cli/main.ts'),
    rows: 60,
    seed: 1,
    rowsFrom,
    limit: 40,
    only: 'confirm:before',
    width: 2,
    signal: new AbortController().signal,
    played: () => undefined,
  })
  assert.deepEqual(
    verified.outcomes.map(({ result, why }) => why ?? result),
    ['held', 'held'],
  )
  return verified
}

suite('verify plays', { concurrency: 2 }, () => {
  test('slices of a logstore, a snapshot and tables', async () => {
    await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-verify-test-'))
    await using stream = await LogStream.open({ parts: 2, shards: 2 })
    await stream.append(60)
    await using lake = await makeRowTable(home.path)
    await lake.append([selectRows(0, 60)])
    await using maria = await makeDatabase((await useDatabase('mariadb')).url)
    await using postgres = await makeDatabase((await useDatabase('postgres')).url)
    for (const database of [maria, postgres]) {
      await database.run('CREATE TABLE orders (id BIGINT PRIMARY KEY, price DECIMAL(20,4))')
      await database.run(
        `INSERT INTO orders VALUES ${Array.from({ length: 60 }, (_, id) => `(${id}, ${id}.5)`).join()}`,
      )
    }
    const slices = ({ address }: typeof maria): string =>
      `url: '${String(address['url'])}', username: ${String(address['username'])}, password: '${String(address['password'])}', table: orders, column: id`
    const sources = {
      logs: `${stream.options}, schema: ${ROW_SCHEMA}`,
      lake: 'connector: iceberg, table: ./table, follow: true',
      maria: `connector: mysql, ${slices(maria)}`,
      postgres: `connector: postgres, ${slices(postgres)}`,
    }
    const { sinks, rows, replaced } = await played(
      home.path,
      `
sources: {${Object.entries(sources)
        .map(([id, options]) => `${id}: {${options}}`)
        .join(', ')}}
transforms:
  placed: {from: logs, sql: 'SELECT seq, _shard, _offset, _time FROM logs'}
  stamped: {from: lake, sql: 'SELECT seq, _snapshot, _change FROM lake'}
sinks:
${Object.entries({ logs: 'placed', lake: 'stamped', maria: 'maria', postgres: 'postgres' })
  .map(([id, from]) => `  ${id}_out: {from: ${from}, connector: files, path: ./${id}, format: json}`)
  .join('\n')}
`,
      'source',
    )
    assert.deepEqual([rows, sinks.map((sink) => sink.rows)], [160, [40, 40, 40, 40]])
    assert.match(replaced.join('\n'), /_time, _shard, _offset are columns of the copy, those of the records/)
  })

  test('columns about records, CSV with quotes, CSV of a topic, and changes whose deletions leave no row', async () => {
    await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-verify-test-'))
    const topic = `connector: kafka, brokers: ['nowhere:9092'], schema: {id: bigint, word: varchar}`
    const { sinks, replaced } = await played(
      home.path,
      `
sources:
  events: {${topic}, topics: [a]}
  lines: {${topic}, topics: [b], format: csv}
  file: {connector: file, path: ./nowhere.csv, format: {type: csv, delimiter: ';'}, schema: {id: bigint, word: varchar}}
  orders: {connector: mysql-cdc, url: 'mysql://nowhere:3306', username: u, password: p, table: shop.orders, metadata: [op, position],
    schema: {__op: tinyint, id: bigint, word: varchar, _op: varchar, _position: varchar}}
transforms:
  placed: {from: events, sql: 'SELECT id, _key, _headers, _timestamp, _partition AS part, _offset FROM events'}
  all: {from: file, sql: 'SELECT * FROM file WHERE _file IS NOT NULL'}
sinks:
  one: {from: placed, connector: files, path: ./one, format: json}
  two: {from: lines, connector: files, path: ./two, format: csv}
  three: {from: all, connector: files, path: ./three, format: parquet}
  four: {from: orders, connector: starrocks, url: ['http://nowhere:8030'], allowPlaintext: true, database: shop, table: orders, key: [id]}
`,
    )
    // Of four changes, of two keys, one row is left.
    assert.deepEqual(
      sinks.map(({ rows }) => rows),
      [60, 60, 60, 15],
    )
    assert.match(replaced.join('\n'), /_key, .* are columns of the copy, made up/)
    assert.match(replaced.join('\n'), /generated changes .*the log of a database is not read/)
  })
})
