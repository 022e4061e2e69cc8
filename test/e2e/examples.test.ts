/** The scripts of the examples do what their pages say: each row once for readers that are not ours, though the job was killed. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { readHudi } from '../../scripts/services/hudi-readers.ts'
import { openTestBucket } from '../../scripts/services/s3-bucket.ts'
import { repository } from '../tidy/source-tree.ts'

/** Runs an example's script to its end, which has to be a good one, and returns what it printed. */
async function runExample(name: string, environment: Readonly<Record<string, string>> = {}): Promise<string> {
  await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-example-'))
  const { stdout } = await promisify(execFile)('sh', [path.join(repository, 'examples', name, 'run.sh')], {
    env: {
      ...process.env,
      PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH'] ?? ''}`,
      TMPDIR: home.path,
      ...environment,
    },
    timeout: 360_000,
    // Its trap then ends the emulator.
    killSignal: 'SIGTERM',
  })
  return stdout
}

/** The first start was killed after it had published, and the second one committed that. */
function assertKilledAndRecovered(text: string): void {
  assert.match(text, /"event":"published","checkpoint":1\b/)
  assert.match(text, /ended with 137/)
  assert.match(text, /"event":"restored","checkpoint":1,"recommitted":1/)
  assert.match(text, /"event":"ended","as":"finished"/)
}

void suite('examples', { concurrency: 2 }, () => {
  void test('logs reach the table on S3 once', async () => {
    await using lake = await openTestBucket()
    const text = await runExample('sls-to-hudi-on-s3', {
      ...lake.environment,
      S3_ENDPOINT: lake.endpoint,
      BUCKET: lake.name,
    })
    assertKilledAndRecovered(text)
    Object.assign(process.env, lake.environment, {
      AWS_ALLOW_HTTP: 'true',
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL: lake.endpoint,
    })
    const { columns } = await readHudi(`s3://${lake.name}/access_logs`, { columns: ['id', 'host', 'dt'] })
    const { id = [], host = [], dt = [] } = columns ?? {}
    assert.deepEqual(
      id.map(Number).sort((one, other) => one - other),
      Array.from({ length: 1000 }, (_, row) => row),
    )
    assert.ok(id.every((value, row) => host[row] === `web-${Number(value) % 2}`))
    assert.deepEqual(new Set(dt), new Set(['2025-11-21', '2025-11-22']))
  })

  void test('rows of the Iceberg table reach the warehouse once', async () => {
    const text = await runExample('iceberg-to-starrocks')
    assertKilledAndRecovered(text)
    const data = path.join(repository, 'test', 'fixtures', 'iceberg', 'v2_partitioned', 'data')
    const instance = await DuckDBInstance.create()
    const duckdb = await instance.connect()
    const read = await duckdb.runAndReadAll(
      `SELECT count(*)::INTEGER FROM read_parquet('${data}/**/*.parquet') WHERE region IN ('eu', 'us')`,
    )
    const [[rows] = []] = read.getRows()
    duckdb.closeSync()
    instance.closeSync()
    assert.deepEqual(
      [...text.matchAll(/Readers see (\d+) rows, (\d+) different ones/g)].map(([, all, different]) => [all, different]),
      [
        ['0', '0'],
        [String(rows), String(rows)],
      ],
    )
  })
})
