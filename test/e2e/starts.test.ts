/** Starts that find nothing to do, nobody to talk to, or directories that are missing. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { suite, test } from 'node:test'
import { millrace } from './command-line.ts'
import { Broker } from './faults-kit/broker.ts'
import { isConfirmed, JobHome } from './faults-kit/job-home.ts'
import { startListener } from './faults-kit/listener.ts'
import { idsOf, sinkOf, startWarehouse, upTo } from './faults-kit/warehouse.ts'

const FILES = 'in: {connector: file, path: ./in, format: json, schema: {id: bigint, name: varchar}}'

suite('starts', { concurrency: 3 }, () => {
  test('a finished job says so and ends well, without a claim, a lane or a question to its servers', async () => {
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
    await using server = await startWarehouse()
    home.write({ sources: FILES, sinks: `out: {from: in, ${sinkOf('starrocks', server)}}` })
    assert.equal((await millrace(home.directory, 'run', 'job.yaml')).code, 0)
    assert.deepEqual(idsOf(server), upTo(1))
    const log = path.join(home.directory, 'state', 'job', 'log')
    const [entries, asked] = [readdirSync(log), server.requests().length]
    await using again = home.run()
    assert.deepEqual(await again.ended(), { code: 0, signal: null }, again.err)
    const events = again.events().map(({ event }) => event)
    assert.deepEqual(events, ['log', 'ended', 'progress'])
    assert.match(again.out, /already finished/)
    assert.deepEqual([readdirSync(log), server.requests().length], [entries, asked])
  })

  test('a broker that is away at the start is named before anything waits for it, and read when it comes', async () => {
    await using broker = await Broker.open()
    const topic = await broker.createTopic(1)
    await broker.send(topic, 0, ['{"id":0,"name":"x"}'])
    const front = createServer((socket) => {
      const [host = '', port = ''] = broker.address.split(':')
      socket.pipe(connect(Number(port), host).on('error', () => socket.destroy())).pipe(socket)
      socket.on('error', () => undefined)
    })
    front.listen(0, '127.0.0.1')
    await once(front, 'listening')
    const { port } = front.address() as AddressInfo
    front.close()
    await using home = await JobHome.create()
    home.write({
      sources: FILES.replace(/connector.*json/, `connector: kafka, brokers: ['127.0.0.1:${port}'], topics: [${topic}]`),
      sinks: 'out: {from: in, connector: files, path: ./out, format: ndjson}',
    })
    await using job = home.run()
    const told = await job.event(({ level }) => level === 'warn')
    assert.match(String(told['message']), new RegExp(`sources\\.in: .*127\\.0\\.0\\.1:${port}.*goes on trying`))
    assert.ok(!job.events().some(({ event }) => event === 'claimed'), 'it is the first word')
    const tried = await job.event(({ message }) => /Trying again in \d+ ms/.test(String(message)))
    assert.match(String(tried['message']), /looking at the sources/)
    front.listen(port, '127.0.0.1')
    await job.event(isConfirmed)
    job.signal('SIGTERM')
    assert.equal((await job.ended()).code, 0, job.err)
    front.close()
  })

  test('a server that takes connections and says nothing is named while the start waits for it', async () => {
    await using silent = await startListener()
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
    const url = `http://127.0.0.1:${silent.port}`
    home.write({
      sources: FILES,
      sinks: `mute: {from: in, connector: starrocks, url: '${url}', database: d, table: t, password: ''}`,
    })
    await using job = home.run()
    const told = await job.event(({ event }) => event === 'log')
    assert.match(String(told['message']), /no answer yet from .*\bmute\b/)
    assert.equal(job.events().length, 1, 'it is the first word')
  })

  test('a Hudi table is made where no directory is yet', async () => {
    await using home = await JobHome.create()
    home.put('in/rows.ndjson', '{"id":0,"name":"x"}\n')
    home.write({ sources: FILES, sinks: 'out: {from: in, connector: hudi, path: ./lake/of/events, table: events}' })
    const { code, err } = await millrace(home.directory, 'run', 'job.yaml')
    assert.equal(code, 0, err)
    assert.ok(readdirSync(path.join(home.directory, 'lake', 'of', 'events')).some((name) => name.endsWith('.parquet')))
  })

  test('a log level that there is not is refused', async () => {
    await using home = await JobHome.create()
    home.write({ sources: FILES, sinks: 'out: {from: in, connector: blackhole}' })
    const { code, err } = await millrace(home.directory, 'run', 'job.yaml', '--log-level', 'all')
    assert.equal(code, 64)
    assert.match(err, /debug, info, warn, error/)
  })
})
