/** Table, files and checkpoints in object storage, through the real program: bad networks, bad servers, and the verbs. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { S3_KEYS } from '../../scripts/services/s3.ts'
import { hostedAt, openTestBucket } from '../../scripts/services/s3-bucket.ts'
import type { S3Options } from '../../src/core/options.ts'
import { OssStandIn } from '../../src/testkit/oss-stand-in.ts'
import { S3FaultProxy, type Harm } from '../../src/testkit/s3-fault-proxy.ts'
import { CommandLine, type Ended } from './command-line.ts'
import { Chance } from './kit/chance.ts'
import { ROW_SCHEMA, rowText } from './kit/rows.ts'
import { hudiOnS3 } from './kit/targets-on-s3.ts'
import { VisibleRows } from './kit/visible-rows.ts'

const lake = await openTestBucket()
after(() => lake[Symbol.asyncDispose]())
const COUNTS = [8000, 6000]

/** A directory with two files of rows and a pipeline from them to a table in the bucket. */
class Job implements AsyncDisposable {
  readonly directory: string
  readonly environment: Record<string, string>
  readonly #remove: () => Promise<void>

  private constructor(directory: string, remove: () => Promise<void>) {
    this.directory = directory
    this.#remove = remove
    this.environment = { ...lake.environment, XDG_STATE_HOME: path.join(directory, 'local') }
  }

  static async at(s3: S3Options, sink: string): Promise<Job> {
    const made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-s3-'))
    const job = new Job(made.path, () => made.remove())
    mkdirSync(path.join(made.path, 'in'))
    COUNTS.forEach((count, part) => {
      const lines = Array.from({ length: count }, (_, seq) => `${rowText(part, seq)}\n`)
      writeFileSync(path.join(made.path, 'in', `${part}.ndjson`), lines.join(''))
    })
    const lines = [
      'name: lake',
      'parallelism: 2',
      `s3: ${JSON.stringify(s3)}`,
      `sources: {rows: {connector: file, path: ./in, format: json, schema: ${ROW_SCHEMA}}}`,
      `transforms: {checked: {from: rows, sql: 'SELECT part, seq, pad FROM rows WHERE seq >= 0'}}`,
      `sinks: {out: {from: checked, ${sink}}}`,
      `checkpoint: {interval: 100ms, storage: 's3://${lake.name}/state-${path.basename(made.path)}'}`,
    ]
    writeFileSync(path.join(made.path, 'lake.yaml'), `${lines.join('\n')}\n`)
    return job
  }

  start(...args: string[]): CommandLine {
    return new CommandLine({ directory: this.directory, environment: this.environment }, ...args)
  }

  async run(...args: string[]): Promise<Ended & { text: string }> {
    await using line = this.start(...args)
    return { ...(await line.ended()), text: line.out + line.err }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remove()
  }
}

const FILES = `connector: files, path: 's3://${lake.name}/out', format: ndjson`

// The bucket is in the name of the host here, and in the path in all other tests.
test('a storm of lost answers, refusals and broken connections loses and doubles nothing', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using proxy = await S3FaultProxy.open(lake.endpoint)
  const storm: Harm[] = [
    { kind: 'reset' },
    { kind: 'drop-reply' },
    { kind: 'answer', status: 503, code: 'SlowDown' },
    { kind: 'answer', status: 500, code: 'InternalError' },
    { kind: 'answer', status: 409, code: 'OperationAborted' },
  ]
  for (const harm of storm) proxy.harm({ match: () => chance.below(100) < 4, harm, times: Number.POSITIVE_INFINITY })
  const target = hudiOnS3(lake)
  await using job = await Job.at(hostedAt(proxy.endpoint), target.options)
  const { code, text } = await job.run('run', 'lake.yaml')
  assert.equal(code, 0, text)
  const rows = new VisibleRows(COUNTS)
  await target.read(rows)
  assert.deepEqual(rows.prefixes(), COUNTS)
  proxy.heal()
  const status = await job.run('status', 'lake.yaml', '--json')
  assert.match(status.text, /"ended": ?"finished"/)
  const listed = await job.run('checkpoints', 'lake.yaml')
  assert.match(listed.text, /confirmed/)
  assert.match((await job.run('decide', 'lake.yaml')).text, /nothing has to be decided/)
  assert.match((await job.run('stop', 'lake.yaml')).text, /is not running/)
  assert.match((await job.run('run', 'lake.yaml')).text, /nothing to do|already/)
})

test('a table and its checkpoints lie in OSS, whose conditional writes have a header of their own', async () => {
  await using oss = await OssStandIn.open({ target: hostedAt(lake.endpoint).endpoint ?? '', keys: S3_KEYS })
  const target = hudiOnS3(lake, 'oss')
  await using job = await Job.at({ ...hostedAt(oss.endpoint), flavor: 'oss' }, target.options)
  const { code, text } = await job.run('run', 'lake.yaml')
  assert.equal(code, 0, text)
  const rows = new VisibleRows(COUNTS)
  await target.read(rows)
  assert.deepEqual(rows.prefixes(), COUNTS)
  assert.deepEqual(await target.residue(), [])
})

test('a server that ignores conditional writes is refused before anything is read', async () => {
  await using proxy = await S3FaultProxy.open(lake.endpoint)
  proxy.harm({ match: ({ method }) => method === 'PUT', harm: { kind: 'ignore-condition' }, times: 1000 })
  await using job = await Job.at({ endpoint: proxy.endpoint }, FILES)
  for (const args of [
    ['check', 'lake.yaml', '--connect'],
    ['run', 'lake.yaml'],
    ['run', 'lake.yaml', '--no-preflight'],
  ]) {
    const { code, text } = await job.run(...args)
    assert.equal(code, 65, text)
    assert.match(text, /conditional write/)
  }
})

test('wrong keys end with AUTH, and no output holds them', async () => {
  await using job = await Job.at({ endpoint: lake.endpoint }, FILES)
  job.environment['AWS_SECRET_ACCESS_KEY'] = 'canary-4711/secret'
  const { code, text } = await job.run('run', 'lake.yaml', '--log-level', 'debug')
  assert.equal(code, 75, text)
  assert.match(text, /SignatureDoesNotMatch/)
  assert.ok(!text.includes('canary-4711'))
})

test('a server that is away is waited for, and a stop is heard meanwhile', async () => {
  const proxy = await S3FaultProxy.open(lake.endpoint)
  const { endpoint } = proxy
  await proxy[Symbol.asyncDispose]()
  await using job = await Job.at({ endpoint }, FILES)
  await using run = job.start('run', 'lake.yaml')
  await run.event((event) => JSON.stringify(event).includes('gave no whole answer'))
  run.signal('SIGTERM')
  assert.equal((await run.ended()).code, 1)
})
