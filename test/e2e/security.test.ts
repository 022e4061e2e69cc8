/** What must never be told and never be done, tried on the real program from outside. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { CommandLine, millrace } from './command-line.ts'
import { assertNoCanary, CANARY } from './faults-kit/canary.ts'
import { FollowedJob } from './faults-kit/followed-job.ts'
import { halted, isConfirmed, JobHome } from './faults-kit/job-home.ts'
import { Broker } from './faults-kit/broker.ts'
import { EVENTS, idsOf, sinkOf, startWarehouse, upTo } from './faults-kit/warehouse.ts'

const ROW_CANARY = 'row-canary-4711'

function sourceOf(more = ''): string {
  return `in: {connector: file, path: ./in, format: json, schema: {id: bigint, name: varchar}${more}}`
}

suite('security', { concurrency: 3 }, () => {
  test('S2: no credential shows up anywhere, whatever goes wrong', async () => {
    await using server = await startWarehouse('starrocks', { password: CANARY })
    const sinkOptions = 'password: {file: ./secret}'
    await using followed = await FollowedJob.create('starrocks', server, { sinkOptions })
    const { home } = followed
    home.put('secret', `${CANARY}\n`)
    chmodSync(path.join(home.directory, 'secret'), 0o600)
    await using job = home.run({ DEBUG: '*' }, '--metrics', '0')
    const { message } = await job.event((event) => String(event['message']).startsWith('metrics at '))
    followed.append(10)
    await job.event(isConfirmed)
    for (const rule of [
      { match: { operation: 'prepare' }, action: 'garble' },
      { match: { operation: 'load' }, action: 'drop-reply' },
      { match: { operation: 'commit' }, action: 'drop-reply' },
      { match: { operation: 'begin' }, action: 'status', status: 500, body: 'internal' },
    ] as const) {
      server.addFault(rule)
      followed.append(10)
      await followed.untilVisible(job)
    }
    assertNoCanary(readFileSync(`/proc/${job.pid}/cmdline`, 'utf8'), 'the process list')
    assertNoCanary(await (await fetch(String(message).slice('metrics at '.length))).text(), 'the metrics')
    for (const verb of ['status', 'checkpoints', 'explain'])
      assertNoCanary(Object.values(await millrace(home.directory, verb, 'job.yaml', '--json')).join('\n'), verb)
    server.addFault({ match: { times: 0 }, action: 'status', status: 401, body: 'Access denied' })
    followed.append(10)
    assert.equal((await halted(job)).code, 75, job.err)
    assertNoCanary(job.out, 'standard output')
    assertNoCanary(job.err, 'standard error')
    const left = home.leftBehind()
    assert.ok(left.some(([file]) => file.endsWith('report.json')))
    for (const [file, content] of left) assertNoCanary(content, file)
  })

  test('S2: no Kafka password shows up when the login fails', async () => {
    await using broker = await Broker.open()
    await using home = await JobHome.create()
    home.write({
      sources:
        `in: {connector: kafka, brokers: ['${broker.address}'], topics: [t], format: json, ` +
        'sasl: {mechanism: PLAIN, username: root, password: "${CANARY}"}, schema: {id: bigint}}',
      sinks: 'out: {from: in, connector: blackhole}',
    })
    await using check = new CommandLine(
      { directory: home.directory, environment: { CANARY } },
      'check',
      'job.yaml',
      '--connect',
    )
    await using job = home.run({ CANARY }, '--no-preflight')
    assert.notEqual((await check.ended()).code, 0)
    assert.equal((await job.ended()).code, 75, job.err)
    for (const text of [check.out, check.err, job.out, job.err]) assertNoCanary(text, 'the output')
    for (const [file, content] of home.leftBehind()) assertNoCanary(content, file)
  })

  test('S3: secrets come by reference: no option takes one, no address carries one', async () => {
    await using server = await startWarehouse()
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
    home.write({ sources: sourceOf(), sinks: `out: {from: in, ${sinkOf('starrocks', server)}}` })
    const refused = await millrace(home.directory, 'run', 'job.yaml', '--password', CANARY)
    assert.equal(refused.code, 64)
    assertNoCanary(refused.out + refused.err, 'the refusal')
    home.write({
      sources: sourceOf(),
      sinks: `out: {from: in, ${sinkOf('starrocks', server).replace('http://', `http://root:${encodeURIComponent(CANARY)}@`)}}`,
    })
    const address = await millrace(home.directory, 'run', 'job.yaml')
    assert.equal(address.code, 64)
    assert.match(address.err, /url/)
    assertNoCanary(address.out + address.err, 'the refusal')
    assert.deepEqual(server.requests(), [])
  })

  test('S4: a secret file that others may read is refused', async () => {
    await using server = await startWarehouse('starrocks', { password: CANARY })
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
    home.put('secret', CANARY)
    home.write({
      sources: sourceOf(),
      sinks: `out: {from: in, ${sinkOf('starrocks', server, 'password: {file: ./secret}')}}`,
    })
    for (const mode of [0o644, 0o640, 0o604]) {
      chmodSync(path.join(home.directory, 'secret'), mode)
      const { code, err, out } = await millrace(home.directory, 'run', 'job.yaml')
      assert.equal(code, 64, out + err)
      assert.match(err, /secret.*(?:chmod|600|read)/i)
      assertNoCanary(out + err, 'the refusal')
    }
    chmodSync(path.join(home.directory, 'secret'), 0o600)
    assert.equal((await millrace(home.directory, 'run', 'job.yaml')).code, 0)
    assert.deepEqual(idsOf(server), upTo(1))
  })

  test('S5, S6: no value of a refused row is printed, and the server’s error log is not fetched', async () => {
    await using server = await startWarehouse()
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', `{"id":0,"name":"x"}\n{"id":1,"name":"${ROW_CANARY}"}\n`)
    home.write({ sources: sourceOf(), sinks: `out: {from: in, ${sinkOf('starrocks', server)}}` })
    await using job = home.run()
    assert.equal((await halted(job)).code, 71, job.err)
    const told: [string, string][] = [['out', job.out], ['err', job.err], ...home.leftBehind()]
    for (const [where, text] of told) assert.ok(!text.includes(ROW_CANARY), where)
    assert.ok(!server.requests().some(({ path: asked }) => asked.includes('_load_error_log')))
    assert.match(job.err, /_load_error_log/, 'it says where to look')
  })

  test('S11: a password goes over plain HTTP to another host only when that is allowed', async () => {
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
    home.write({
      sources: sourceOf(),
      sinks: 'out: {from: in, connector: starrocks, url: http://192.0.2.1:8030, database: d, table: t, password: x}',
    })
    const { code, err } = await millrace(home.directory, 'run', 'job.yaml')
    assert.ok(code === 64 || code === 65, `${code} ${err}`)
    assert.match(err, /allowPlaintext/)
  })

  test('S14: a reply without end is cut off', async () => {
    await using server = await startWarehouse()
    await using followed = await FollowedJob.create('starrocks', server)
    await using job = followed.home.run()
    followed.append(10)
    await job.event(isConfirmed)
    const body = 'x'.repeat(32 * 1024 * 1024)
    server.addFault({ match: { operation: 'begin' }, action: 'status', status: 200, body })
    followed.append(10)
    await followed.untilVisible(job)
    assert.ok(!job.out.includes('x'.repeat(2000)))
    await followed.stop(job)
  })

  test('S15: names that would make headers of their own are refused', async () => {
    for (const table of ['a\\r\\nX-Evil: 1', 'a\\nb', 'a\\0b']) {
      await using server = await startWarehouse()
      await using home = await JobHome.create()
      home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
      const sink = sinkOf('starrocks', server).replace(`table: ${EVENTS.table}`, `table: "${table}"`)
      home.write({ sources: sourceOf(), sinks: `out: {from: in, ${sink}}` })
      const { code } = await millrace(home.directory, 'run', 'job.yaml')
      assert.equal(code, 64)
      assert.ok(!server.requests().some(({ headers }) => 'x-evil' in headers))
    }
  })

  test('S20: a YAML bomb is refused at once', async () => {
    await using home = await JobHome.create()
    const levels = Array.from({ length: 9 }, (_, level) => {
      const one = level === 0 ? 'lol' : `*a${level - 1}`
      return `a${level}: &a${level} [${Array.from({ length: 9 }, () => one).join(', ')}]`
    })
    for (const text of [levels.join('\n'), '['.repeat(5000), `name: x\nname: y\n`, `a: "${'x'.repeat(2 ** 20)}"`]) {
      home.put('job.yaml', text)
      const { code, err } = await millrace(home.directory, 'check', 'job.yaml')
      assert.equal(code, 64, err.slice(0, 300))
      assert.ok(err.length < 5000)
    }
  })

  test('S61: control characters of files, names and servers never reach a terminal', async () => {
    const evil = '\u001b[31mred\u009b2J\u0007'
    await using server = await startWarehouse()
    await using home = await JobHome.create()
    home.put(`in/${evil}.ndjson`, '[1]\n')
    home.write({ sources: sourceOf(), sinks: `out: {from: in, ${sinkOf('starrocks', server)}}` })
    await using poisoned = home.run()
    assert.equal((await poisoned.ended()).code, 71, poisoned.err)
    home.put('job.yaml', `name: "${'\\e[31m'}"\nsinks: {"\\e]0;x\\a": {connector: "\\e[1m"}}\n`)
    const refused = await millrace(home.directory, 'check', 'job.yaml')
    assert.equal(refused.code, 64)
    await using followed = await FollowedJob.create('starrocks', server)
    server.addFault({
      match: { operation: 'begin', times: 0 },
      action: 'status',
      status: 200,
      body: JSON.stringify({ Status: 'FAILED', Message: `Unknown table ${evil}` }),
    })
    followed.append(1)
    await using told = followed.home.run()
    assert.equal((await halted(told)).code, 72)
    for (const text of [poisoned.out, poisoned.err, refused.out, refused.err, told.out, told.err])
      assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/)
  })

  test('S25, S62: nothing outside the pipeline’s directory is loaded as code or as a transform', async () => {
    for (const module of ['../evil.ts', '/etc/passwd', 'node:fs', 'data:text/javascript,1', './in/../../evil.ts']) {
      await using home = await JobHome.create()
      home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
      home.write({
        sources: sourceOf(),
        transforms: `t: {from: in, module: '${module}'}`,
        sinks: 'out: {from: t, connector: blackhole}',
      })
      const { code, err } = await millrace(home.directory, 'run', 'job.yaml')
      assert.equal(code, 64, `${module}: ${err}`)
    }
    await using home = await JobHome.create()
    home.write({ sources: sourceOf(), sinks: 'out: {from: in, connector: ../../evil}' })
    assert.equal((await millrace(home.directory, 'run', 'job.yaml')).code, 64)
  })
})
