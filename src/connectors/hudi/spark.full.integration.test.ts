/** The reference implementation reads our tables at every stage, and writes on them between our commits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readHudi } from '../../../scripts/services/hudi-readers.ts'
import {
  runSpark,
  type SparkBundle,
  type SparkOperation,
  type SparkResult,
} from '../../../scripts/services/hudi-spark.ts'
import { type HudiLake, openHudiLake, until } from '../../testkit/hudi-lake.ts'
import { loadTimeline } from './timeline.ts'

const RULES = { partitionBy: ["strftime(ts, '%Y-%m-%d') AS dt"], targetFileSize: 64 * 1024 }
const TIMES = `start_ts => '20200101000000000', end_ts => '20400101000000000', limit => 1000`

/** So that Spark archives what it finds. */
const FEW_COMMITS = {
  'hoodie.keep.min.commits': '4',
  'hoodie.keep.max.commits': '5',
  'hoodie.cleaner.commits.retained': '2',
  'hoodie.clean.commits.retained': '2',
}

function sumOf(rows: number): string {
  return (rows * (rows - 1) * 0.625).toFixed(2)
}

/** Rows of Spark with these ids, in the shape of the table. */
function insert(
  lake: HudiLake,
  from: number,
  to: number,
  options: Readonly<Record<string, string>> = {},
): SparkOperation & { readonly write: string } {
  return {
    write: lake.path,
    name: 'lake',
    operation: 'insert',
    select: `SELECT id, CAST(id * 1.25 AS DECIMAL(38,2)) AS amount, TIMESTAMP '2026-11-19 10:00:00' AS ts,
      'of Spark' AS note, '2026-11-19' AS dt FROM range(${from}, ${to})`,
    options: {
      'hoodie.datasource.write.partitionpath.field': 'dt',
      'hoodie.datasource.write.hive_style_partitioning': 'true',
      'hoodie.datasource.write.partitionpath.urlencode': 'true',
      'hoodie.datasource.write.keygenerator.class': 'org.apache.hudi.keygen.SimpleKeyGenerator',
      ...options,
    },
  }
}

/** All of them have to succeed. */
async function spark(bundle: SparkBundle, operations: readonly SparkOperation[]): Promise<readonly SparkResult[]> {
  const results = await runSpark(bundle, operations)
  for (const [at, { error }] of results.entries()) assert.equal(error, undefined, JSON.stringify(operations[at]))
  return results
}

async function hasMerge({ store }: HudiLake, state: 'pending' | 'completed'): Promise<boolean> {
  const { completedWrites, pendingWrites } = await loadTimeline(store)
  return (state === 'pending' ? pendingWrites : completedWrites).some(({ action }) => action === 'replacecommit')
}

for (const bundle of ['0.15.0', '1.2.0'] as const satisfies readonly SparkBundle[]) {
  test(`Spark with Hudi ${bundle} reads merges, cleans and archives of ours`, async () => {
    await using lake = await openHudiLake({ options: { ...RULES, retainedCommits: 3, timelineCommits: 10 } })
    let rows = 0
    const load = async (): Promise<void> => lake.load(rows, (rows += 300))
    while ((await Array.fromAsync(lake.store.list('.hoodie/archived/'))).length === 0) await load()
    await until(async () => {
      await load()
      return await hasMerge(lake, 'pending')
    })
    // A merge that is under way is older than what was committed since.
    const [, start, ...later] = (await loadTimeline(lake.store)).completedWrites
    assert.ok(start !== undefined)
    const after = later.filter(({ action }) => action === 'commit').length * 300
    const archives = `call show_archived_commits(table => '\${table:lake=${lake.path}}', ${TIMES})`
    const [read, since, asOf, archived, merges, , all, more] = await spark(bundle, [
      { read: lake.path },
      { read: lake.path, since: start.time },
      { read: lake.path, asOf: start.time },
      { sql: archives },
      { sql: `call show_clustering(table => '\${table:lake=${lake.path}}')` },
      insert(lake, rows, rows + 10, FEW_COMMITS),
      { read: lake.path },
      { sql: archives },
    ])
    assert.deepEqual([read?.rows, read?.distinctKeys, read?.sum], [rows, rows, sumOf(rows)])
    assert.deepEqual([since?.rows, asOf?.rows], [after, rows - after])
    assert.ok((archived?.table?.length ?? 0) > 0)
    assert.ok((merges?.table?.length ?? 0) > 0)
    // Java goes on where we left off.
    assert.deepEqual([all?.rows, all?.sum], [rows + 10, sumOf(rows + 10)])
    assert.ok((more?.table?.length ?? 0) > (archived?.table?.length ?? 0))
  })

  test(`Spark with Hudi ${bundle} writes on a table between commits of ours, and careless settings stop us`, async () => {
    await using lake = await openHudiLake({ options: RULES })
    for (let load = 0; load < 3; load++) await lake.load(load * 300, load * 300 + 300)
    const table = `\${table:lake=${lake.path}}`
    const [own, , , all] = await spark(bundle, [
      { read: lake.path },
      // Small files of ours are merged with new rows by Java.
      insert(lake, 900, 1000),
      { sql: `UPDATE ${table} SET note = 'by Spark' WHERE id < 30` },
      { read: lake.path, columns: ['id', 'note', 'dt', '_hoodie_partition_path', '_hoodie_file_name'], order: 'id' },
    ])
    assert.deepEqual([own?.rows, own?.sum, own?.schema?.['amount']], [900, sumOf(900), 'decimal(38,2)'])
    assert.deepEqual([all?.rows, all?.distinctKeys, all?.sum], [1000, 1000, sumOf(1000)])
    assert.deepEqual(all?.columns?.['note']?.slice(28, 31), ['by Spark', 'by Spark', null])

    await using next = await openHudiLake({ on: lake, epoch: 2, options: RULES })
    await next.load(1000, 1300)
    const rust = await readHudi(lake.path, { key: 'id', sum: 'amount' })
    assert.deepEqual([rust.rows, rust.distinctKeys, rust.sum], [1300, 1300, sumOf(1300)])
    const [after] = await spark(bundle, [{ read: lake.path }, { ...insert(lake, 1300, 1301), careless: true }])
    assert.deepEqual([after?.rows, after?.sum], [1300, sumOf(1300)])
    await assert.rejects(next.load(1301, 1302), { code: 'SCHEMA', message: /metadata table|hoodie.table.version/ })
    await assert.rejects(openHudiLake({ on: lake, epoch: 3, options: RULES }), { code: 'PREFLIGHT' })
  })
}
