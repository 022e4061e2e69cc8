/** Logstores that no longer hold what a checkpoint goes on with, that throttle, and whose keys change. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { appendRows } from '../../src/testkit/emulators/sls/append-rows.ts'
import { SlsEmulator, type Logstore } from '../../src/testkit/emulators/sls/index.ts'
import type { CommandLine } from './command-line.ts'
import { CANARY } from './faults-kit/canary.ts'
import { halted, isConfirmed, JobHome } from './faults-kit/job-home.ts'

/** The secret of the key is looked for in everything that a job prints and leaves behind. */
const KEY = { accessKeyId: 'testAccessKeyId', accessKeySecret: CANARY }

/** A job that writes the ids of a logstore into files. */
class LogJob implements AsyncDisposable {
  readonly home: JobHome
  readonly emulator: SlsEmulator
  #rows = 0

  private constructor(home: JobHome, emulator: SlsEmulator) {
    this.home = home
    this.emulator = emulator
  }

  static async create(more = '', secret = "'${SLS_SECRET}'"): Promise<LogJob> {
    const emulator = await SlsEmulator.start({
      ...KEY,
      logstores: [{ name: 'logs', shards: 2 }],
      settings: { pullBytesMax: 2000 },
    })
    const home = await JobHome.create()
    home.write({
      sources:
        `logs: {connector: sls, endpoint: '${emulator.address}', project: demo, logstore: logs, discoveryInterval: 200ms, ` +
        `accessKeyId: ${KEY.accessKeyId}, accessKeySecret: ${secret}, schema: {id: bigint}${more}}`,
      transforms: `kept: {from: logs, sql: 'SELECT id FROM logs WHERE id >= 0'}`,
      sinks: 'out: {from: kept, connector: files, path: ./out, format: ndjson}',
    })
    return new LogJob(home, emulator)
  }

  get logstore(): Logstore {
    return this.emulator.logstore('logs')
  }

  append(shard: number, rows: number): void {
    const made = Array.from({ length: rows }, (_, index) => ({ id: String(this.#rows + index) }))
    this.#rows += rows
    appendRows(this.logstore, shard, made)
  }

  /** Resolves when readers see every row once. */
  async untilVisible(job: CommandLine): Promise<void> {
    const deadline = Date.now() + 180_000
    while (this.#seen().length < this.#rows) {
      if (job.hasEnded || Date.now() > deadline)
        assert.fail(`${this.#seen().length} of ${this.#rows}:\n${job.out}${job.err}`)
      await pause(20)
    }
    assert.deepEqual(
      this.#seen(),
      Array.from({ length: this.#rows }, (_, id) => id),
    )
  }

  run(): CommandLine {
    return this.home.run({ SLS_SECRET: CANARY })
  }

  /** Lets a first job read what is there and stop. */
  async readAndStop(): Promise<void> {
    await using job = this.run()
    await this.untilVisible(job)
    job.signal('SIGTERM')
    assert.equal((await job.ended()).code, 0, job.err)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]()
    await this.emulator.close()
  }

  #seen(): number[] {
    const root = path.join(this.home.directory, 'out')
    let names: string[] = []
    try {
      names = readdirSync(root, { recursive: true, encoding: 'utf8' })
    } catch {
      return []
    }
    return names
      .filter((name) => /^[^._].*\.ndjson$/.test(name))
      .flatMap((name) => readFileSync(path.join(root, name), 'utf8').trimEnd().split('\n'))
      .map((line) => Number((JSON.parse(line) as { id: number | string }).id))
      .sort((a, b) => a - b)
  }
}

suite('logstores', { concurrency: 3 }, () => {
  test('logs that expired while the job was down: 69 with the range', async () => {
    await using job = await LogJob.create()
    job.append(0, 10)
    await job.readAndStop()
    for (let group = 0; group < 3; group++) job.append(0, 10)
    const position = job.logstore.shard(0).end - 3n
    job.logstore.shard(0).expire(3)
    await using second = job.run()
    const { code, event, err } = await halted(second)
    assert.equal(code, 69, err)
    const first = String(position + 2n)
    assert.deepEqual(event.detail, { logstore: 'logs', shard: 0, position: String(position), first, lost: '2' })
    assert.match(err, /2 log groups expired before they were read/)
  })

  test('a shard that was deleted before it was read to its end: 69', async () => {
    await using job = await LogJob.create()
    job.append(0, 10)
    await job.readAndStop()
    job.append(0, 10)
    job.logstore.drop(0)
    await using second = job.run()
    const { code, event, err } = await halted(second)
    assert.deepEqual([code, event['code']], [69, 'POSITION_LOST'], err)
  })

  test('a value that does not fit its column: 71 with shard, group and log, and nothing of it visible', async () => {
    await using job = await LogJob.create()
    job.append(0, 10)
    await job.readAndStop()
    appendRows(job.logstore, 1, [{ id: '10' }, { id: 'canary' }])
    const group = String(job.logstore.shard(1).begin)
    await using second = job.run()
    const { code, event, err } = await halted(second)
    assert.equal(code, 71, err)
    const { split, offset, log, column } = event.detail
    assert.deepEqual({ split, offset, log, column }, { split: 'logs/1', offset: group, log: 1, column: 'id' })
    assert.doesNotMatch(second.out + second.err, /canary/)
  })

  test('throttling, broken answers and blocks that lie only slow it down', async () => {
    await using job = await LogJob.create()
    const pulls = { operation: 'pullLogs', times: 0 } as const
    job.emulator.addFault({
      action: 'error',
      status: 403,
      code: 'ReadQuotaExceed',
      match: { ...pulls, every: 6, times: 4 },
    })
    job.emulator.addFault({ action: 'wrong-raw-size', match: { ...pulls, every: 5, nth: 2 } })
    job.emulator.addFault({ action: 'short-body', match: { ...pulls, every: 7, nth: 3 } })
    for (let group = 0; group < 20; group++) job.append(group % 2, 25)
    await using run = job.run()
    await job.untilVisible(run)
  })

  test('with start: latest, what is written between a split and its discovery is read', async () => {
    await using job = await LogJob.create(', start: latest')
    appendRows(job.logstore, 0, [{ id: '-1' }])
    await using run = job.run()
    await run.event((event) => event.event === 'started')
    job.append(1, 10)
    await run.event(isConfirmed)
    job.emulator.settings.listDelayMs = 500
    job.logstore.listDelayMs = 500
    job.logstore.split(0)
    job.append(2, 10)
    job.append(3, 10)
    await job.untilVisible(run)
  })

  test('a key that is rotated in its file goes on, one that is revoked ends with 75', async () => {
    await using job = await LogJob.create('', '{file: ./key}')
    writeFileSync(path.join(job.home.directory, 'key'), KEY.accessKeySecret, { mode: 0o600 })
    job.append(0, 10)
    await using run = job.run()
    await job.untilVisible(run)
    writeFileSync(path.join(job.home.directory, 'key'), 'rotated', { mode: 0o600 })
    job.emulator.credentials = [{ ...KEY, accessKeySecret: 'rotated' }]
    job.append(1, 10)
    await job.untilVisible(run)
    job.emulator.credentials = []
    const { code, event, err } = await halted(run)
    assert.deepEqual([code, event['code']], [75, 'AUTH'], err)
  })
})
