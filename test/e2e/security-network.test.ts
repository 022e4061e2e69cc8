/** Servers, names and certificates that want what is not theirs, tried on the real program from outside. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { suite, test } from 'node:test'
import { createServer, type Server } from 'node:tls'
import { repository } from '../tidy/source-tree.ts'
import { Broker } from './faults-kit/broker.ts'
import { asked, dnsOf } from './faults-kit/fake-dns.ts'
import { FollowedJob } from './faults-kit/followed-job.ts'
import { halted, isConfirmed, JobHome } from './faults-kit/job-home.ts'
import { startListener } from './faults-kit/listener.ts'
import { sinkOf, startWarehouse } from './faults-kit/warehouse.ts'

const METADATA = '169.254.169.254'
const SCHEMA = 'schema: {id: bigint, name: varchar}'
const PASSWORD = 'canary-4711'

function kafkaOf(broker: string, more: string): string {
  return `in: {connector: kafka, brokers: ['${broker}'], format: json, ${SCHEMA}, ${more}}`
}

/** Speaks TLS with a certificate that nobody vouches for, and remembers what it was told. */
async function startImpostor(): Promise<AsyncDisposable & { readonly port: number; readonly heard: () => string }> {
  const pem = (name: string): Buffer => readFileSync(path.join(repository, 'test', 'fixtures', 'tls', name))
  let heard = ''
  const server: Server = createServer({ key: pem('loopback-key.pem'), cert: pem('loopback-cert.pem') }, (socket) => {
    socket.on('data', (bytes) => (heard += bytes.toString('latin1')))
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    heard: () => heard,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

suite('the network', { concurrency: 3 }, () => {
  test('S10: a certificate that nobody vouches for is refused, whatever the environment says', async () => {
    await using impostor = await startImpostor()
    const environment = { NODE_TLS_REJECT_UNAUTHORIZED: '0', PASSWORD }
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
    const login = 'sasl: {mechanism: PLAIN, username: u, password: "${PASSWORD}"}, topics: [t]'
    const jobs = [
      [kafkaOf(`127.0.0.1:${impostor.port}`, `${login}, tls: {}`), 'out: {from: in, connector: blackhole}'],
      [
        `in: {connector: file, path: ./in, format: json, ${SCHEMA}}`,
        `out: {from: in, connector: starrocks, url: 'https://127.0.0.1:${impostor.port}', database: d, table: t, password: "\${PASSWORD}"}`,
      ],
    ] as const
    for (const [sources, sinks] of jobs) {
      home.write({ sources, sinks })
      await using job = home.run(environment)
      const { code } = await job.ended()
      assert.ok(code === 64 || code === 75, `${code} ${job.out}${job.err}`)
      assert.match(job.err, /certificate/)
    }
    assert.equal(impostor.heard(), '', 'not one byte')
  })

  test('S10: checks are off only by a name that says so, and every start warns', async () => {
    await using impostor = await startImpostor()
    await using home = await JobHome.create()
    home.write({
      sources: kafkaOf(`127.0.0.1:${impostor.port}`, 'topics: [t], tls: {insecureSkipVerify: true}'),
      sinks: 'out: {from: in, connector: blackhole}',
    })
    await using job = home.run({}, '--no-preflight')
    const warned = await job.event(({ level }) => level === 'warn')
    assert.match(String(warned['message']), /insecureSkipVerify.*certificates are not verified/)
    await job.eventOrEnd(() => impostor.heard() !== '')
    assert.notEqual(impostor.heard(), '')
  })

  test('S12, S13: the address that was checked is the one that is connected to, at every request anew', async () => {
    await using server = await startWarehouse()
    const portOf = (url = ''): number => Number(url.split(':').at(-1))
    const [frontend, backend] = [portOf(server.urls[0]), portOf(server.backends[0])]
    const backends = [`be.test:${backend}`, ...server.backends].map((one) => `'${one.replace('http://', '')}'`)
    await using front = await startListener(frontend, '127.0.0.2')
    await using back = await startListener(backend, '127.0.0.2')
    await using followed = await FollowedJob.create('starrocks', server, {
      sinks: `out: {from: in, ${sinkOf('starrocks', server, `backends: [${backends.join()}]`).replace('127.0.0.1', 'fe.test')}}`,
    })
    const { directory } = followed.home
    // What a socket would be told leads to strangers; what is checked changes after the first checkpoint.
    const zones = {
      'fe.test': { checked: ['127.0.0.1'], connected: ['127.0.0.2'] },
      'be.test': { checked: ['127.0.0.1', METADATA], connected: ['127.0.0.2'] },
    }
    server.addFault({
      match: { operation: 'begin', server: 'frontend', times: 0 },
      action: 'redirect',
      location: `http://be.test:${backend}/api/transaction/begin`,
    })
    await using job = followed.home.run(dnsOf(directory, zones), '--no-preflight')
    followed.append(1)
    await job.event(isConfirmed)
    followed.append(1)
    const { code, event } = await halted(job)
    assert.deepEqual([code, event['code']], [76, 'REDIRECT_DENIED'], job.err)
    assert.match(String(event['message']), new RegExp(`be.test.*${METADATA}`))
    assert.ok(asked(directory, 'checked', 'fe.test') > 1)
    assert.deepEqual(
      ['fe.test', 'be.test'].map((host) => asked(directory, 'connected', host)),
      [0, 0],
      'no socket looks a name up',
    )
    assert.deepEqual([front.connections(), back.connections()], [0, 0])
  })

  test('S13: link-local and metadata addresses are refused, written in any way or behind a name', async () => {
    await using home = await JobHome.create()
    const zone = { checked: [METADATA], connected: [METADATA] }
    const environment = dnsOf(home.directory, { 'meta.test': zone })
    home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
    for (const host of [METADATA, '2852039166', '0xa9fea9fe', '[::ffff:169.254.169.254]', '[fe80::1]', 'meta.test']) {
      home.write({
        sources: `in: {connector: file, path: ./in, format: json, ${SCHEMA}}`,
        sinks: `out: {from: in, connector: starrocks, url: 'http://${host}:8030', database: d, table: t, allowPlaintext: true}`,
      })
      await using job = home.run(environment)
      const { code } = await job.ended()
      assert.ok(code === 64 || code === 76, `${host}: ${code} ${job.out}${job.err}`)
    }
    for (const host of [METADATA, 'meta.test']) {
      home.write({ sources: kafkaOf(`${host}:9092`, 'topics: [t]'), sinks: 'out: {from: in, connector: blackhole}' })
      await using job = home.run(environment)
      assert.equal((await job.ended()).code, 76, `${host}: ${job.out}${job.err}`)
    }
  })

  test('S13: a broker whose name changes to a metadata address is not connected to again', async () => {
    await using broker = await Broker.open()
    const topic = await broker.createTopic(1)
    await using home = await JobHome.create()
    home.write({
      sources: kafkaOf(broker.address.replace(/^[^:]*/, 'broker.test'), `topics: [${topic}]`),
      sinks: 'out: {from: in, connector: blackhole}',
    })
    // The preflight has its own connection.
    const zones = { 'broker.test': { connected: ['127.0.0.1', METADATA] } }
    await using job = home.run(dnsOf(home.directory, zones))
    const { code, event } = await halted(job)
    assert.deepEqual([code, event['code']], [76, 'REDIRECT_DENIED'], job.err)
    assert.ok(asked(home.directory, 'connected', 'broker.test') > 1)
  })

  test('S23: a topic pattern that would never come to an end halts the job', async () => {
    await using broker = await Broker.open()
    await broker.admin.createTopic(`${'a'.repeat(60)}_${process.pid}`, 1)
    await using home = await JobHome.create()
    home.write({
      sources: kafkaOf(broker.address, `topicPattern: '^(a+)+$'`),
      sinks: 'out: {from: in, connector: blackhole}',
    })
    await using job = home.run()
    assert.equal((await job.ended()).code, 64, job.out + job.err)
    assert.match(job.err, /pattern.*repetition/)
  })
})
