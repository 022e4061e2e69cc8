/** Servers that are away, refuse us, changed their tables or send us elsewhere: each has its exit code. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { FaultRule } from '../../src/testkit/emulators/faults.ts'
import { millrace } from './command-line.ts'
import { FollowedJob } from './faults-kit/followed-job.ts'
import { halted, isConfirmed, isRewinding, JobHome } from './faults-kit/job-home.ts'
import { startListener } from './faults-kit/listener.ts'
import { idsOf, openTransactions, sinkOf, startWarehouse, upTo } from './faults-kit/warehouse.ts'

/** A job with SQL under way halts with this code, after it has written its report. */
async function haltsWhile(
  rule: FaultRule,
  exit: number,
  parts: { readonly password?: string } = {},
): Promise<{ readonly message: string }> {
  await using server = await startWarehouse()
  await using followed = await FollowedJob.create('starrocks', server, {
    parallelism: 2,
    transforms: `big: {from: in, sql: "SELECT id, upper(name) AS name FROM \\"in\\" WHERE id % 2 < 2"}`,
    sinks: `out: {from: big, ${sinkOf('starrocks', server, parts.password)}}`,
  })
  await using job = followed.home.run()
  followed.append(10)
  await job.event(isConfirmed)
  server.addFault(rule)
  const more = setInterval(() => followed.append(500), 20)
  try {
    const { code, event, err } = await halted(job)
    assert.equal(code, exit, err)
    const report = followed.home.report()
    assert.deepEqual([report?.exitCode, report?.code], [exit, event['code']])
    assert.deepEqual(idsOf(server), upTo(10), 'nothing of the refused checkpoint is visible')
    return { message: String(event['message']) }
  } finally {
    clearInterval(more)
  }
}

const denied = {
  action: 'status',
  status: 401,
  body: '{"status":"FAILED","msg":"Access denied for root@127.0.0.1"}',
} as const

suite('refusals', { concurrency: 3 }, () => {
  test('a wrong password: 75 from the start, and nothing was written', async () => {
    await using server = await startWarehouse('starrocks', { password: 'right' })
    await using followed = await FollowedJob.create('starrocks', server, { sinkOptions: 'password: wrong' })
    followed.append(10)
    for (const options of [[], ['--no-preflight']]) {
      await using job = followed.home.run({}, ...options)
      const { code } = await job.ended()
      assert.equal(code, 75, job.out + job.err)
      assert.match(job.err, /AUTH/)
    }
    assert.deepEqual(idsOf(server), [])
  })

  test('credentials that stop working in the middle: 75, and the next start goes on without loss', async () => {
    await using server = await startWarehouse()
    await using followed = await FollowedJob.create('starrocks', server)
    await using job = followed.home.run()
    followed.append(10)
    await job.event(isConfirmed)
    const id = server.addFault({ match: { times: 0 }, ...denied })
    followed.append(10)
    assert.equal((await halted(job)).code, 75, job.err)
    server.removeFault(id)
    await using again = followed.home.run()
    await followed.untilVisible(again)
    await followed.stop(again)
  })

  test('every code that a server provokes while SQL runs ends the process with it', async () => {
    const load = { operation: 'load', times: 0 } as const
    const said = (msg: string): FaultRule => ({
      match: { operation: 'begin', times: 0 },
      action: 'status',
      status: 200,
      body: JSON.stringify({ Status: 'FAILED', Message: msg }),
    })
    await Promise.all([
      haltsWhile({ match: load, ...denied }, 75),
      haltsWhile(said('Unknown table `demo.events`'), 72),
      haltsWhile(said("Unknown column 'name' in 'events'"), 72),
    ])
    await Promise.all([
      haltsWhile(said('Invalid timeout: x'), 64),
      haltsWhile({ match: load, action: 'redirect', location: 'http://192.0.2.1:8040/x' }, 76),
      haltsWhile({ match: { operation: 'commit', times: 0 }, action: 'evict-label' }, 68),
      haltsWhile(
        {
          match: { operation: 'prepare', times: 0 },
          action: 'status',
          status: 200,
          body: '{"Status":"INTERNAL_ERROR","Message":"too many filtered rows"}',
        },
        71,
      ),
    ])
  })

  test('no redirect makes us speak to a stranger', async () => {
    await using stranger = await startListener()
    const decimal = 127 * 2 ** 24 + 1
    const locations = [
      `http://127.0.0.1:${stranger.port}/api/demo/events/_stream_load`,
      `http://localhost:${stranger.port}/x`,
      `http://${decimal}:${stranger.port}/x`,
      `http://[::ffff:127.0.0.1]:${stranger.port}/x`,
      `http://root:@127.0.0.1:${stranger.port}/x`,
      `//127.0.0.1:${stranger.port}/x`,
      `ftp://127.0.0.1:${stranger.port}/x`,
      'http://169.254.169.254/latest/meta-data',
    ]
    await using server = await startWarehouse()
    for (const location of locations) {
      await using home = await JobHome.create()
      home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
      home.write({
        sources: 'in: {connector: file, path: ./in, format: json, schema: {id: bigint, name: varchar}}',
        sinks: `out: {from: in, ${sinkOf('starrocks', server)}}`,
      })
      const id = server.addFault({ match: { operation: 'begin', times: 0 }, action: 'redirect', location })
      await using job = home.run({}, '--no-preflight')
      const { code, event } = await halted(job)
      server.removeFault(id)
      assert.equal(code, 76, `${location}: ${job.err}`)
      assert.equal(event['code'], 'REDIRECT_DENIED')
    }
    assert.deepEqual([stranger.connections(), stranger.received()], [0, ''])
    assert.deepEqual(idsOf(server), [])
    assert.deepEqual(openTransactions(server), [])
  })

  test('a job waits for a server that is away, says so, and goes on when it comes', async () => {
    const first = await startWarehouse()
    const port = Number(new URL(first.urls[0] ?? '').port)
    await using followed = await FollowedJob.create('starrocks', first)
    await first.close()
    followed.append(10)
    await using job = followed.home.run()
    await job.event((event) => /Trying again|going back/.test(String(event['message'])))
    assert.match(job.out, new RegExp(`127\\.0\\.0\\.1:${port}`))
    await using again = await startWarehouse('starrocks', { frontendPort: port })
    await job.event(isConfirmed)
    assert.deepEqual(idsOf(again), upTo(10))
    job.signal('SIGTERM')
    assert.equal((await job.ended()).code, 0)
  })

  test('a table that is dropped while the job is down: 72', async () => {
    const full = await startWarehouse('starrocks', { backends: 1 })
    const frontendPort = Number(new URL(full.urls[0] ?? '').port)
    await using followed = await FollowedJob.create('starrocks', full)
    await using job = followed.home.run()
    followed.append(10)
    await job.event(isConfirmed)
    await followed.stop(job)
    await full.close()
    await using empty = await startWarehouse('starrocks', { backends: 1, frontendPort, tables: [] })
    followed.append(10)
    await using again = followed.home.run({}, '--no-preflight')
    const { code, err } = await halted(again)
    assert.equal(code, 72, err)
    assert.deepEqual(idsOf(empty), [])
  })

  test('check --connect names the servers that do not answer', async () => {
    await using home = await JobHome.create()
    home.write({
      sources:
        'a: {connector: kafka, brokers: [127.0.0.1:9], topics: [t], format: json, schema: {id: bigint, name: varchar}}',
      sinks:
        'out: {from: a, connector: starrocks, url: [http://127.0.0.1:9], database: demo, table: events, ' +
        "password: ''}",
    })
    const { code, out, err } = await millrace(home.directory, 'check', 'job.yaml', '--connect')
    assert.notEqual(code, 0)
    assert.match(out + err, /job\.yaml.*sources\.a.*127\.0\.0\.1:9/s)
    assert.match(out + err, /job\.yaml.*sinks\.out.*127\.0\.0\.1:9/s)
  })

  test('every mistake of a pipeline file is named at once, with its place: 64', async () => {
    await using home = await JobHome.create()
    home.put(
      'job.yaml',
      `name: job
parallelism: zero
sources:
  in: {connector: fil, path: ./in}
  more: {connector: file, path: ./in, format: json, colour: red, schema: {id: bigin}}
sinks:
  out: {from: nobody, connector: blackhole}
`,
    )
    await using job = home.run()
    const { code } = await job.ended()
    assert.equal(code, 64)
    for (const place of ['job.yaml:2:1', 'job.yaml:4:', 'job.yaml:5:', 'job.yaml:7:'])
      assert.ok(job.err.includes(place), `${place} is missing in:\n${job.err}`)
    assert.match(job.err, /[4-9] errors/)
    assert.ok(!job.events().some(isRewinding))
  })
})
