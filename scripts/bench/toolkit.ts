/**
 * The toolkit, and @platformatic/kafka by itself, with messages of 1 KB: `node toolkit.ts <bootstrap> <messages> <what>`, where
 * `what` is `produce`, `consume`, `produce-plain` or `consume-plain`. Prints one JSON object.
 */
import { randomUUID } from 'node:crypto'
import { Consumer as PlainConsumer, MessagesStreamModes, Producer as PlainProducer } from '@platformatic/kafka'
import { Kafka } from '../../src/kafka/index.ts'

const BATCH = 1000
const PARTITIONS = 4
const [bootstrap = '', countText = '', what = ''] = process.argv.slice(2)
const count = Number(countText)
const topic = `toolkit-bench-${randomUUID()}`
await using kafka = new Kafka({ brokers: [bootstrap] })
const text = JSON.stringify({ id: 1234567, name: 'a customer', amount: 12.5, note: 'x'.repeat(950) })
const values = Array.from({ length: BATCH }, (_, at) => Buffer.from(text.replace('1234567', String(1_000_000 + at))))

async function produce(into: string): Promise<void> {
  await using producer = kafka.producer()
  for (let sent = 0; sent < count; sent += BATCH)
    for (const value of values) {
      const full = producer.enqueue({ topic: into, value })
      if (full !== undefined) await full
    }
  await producer.flush()
}

async function producePlain(into: string): Promise<void> {
  const producer = new PlainProducer({ clientId: 'bench', bootstrapBrokers: [bootstrap] })
  const open = new Set<Promise<unknown>>()
  for (let sent = 0; sent < count; sent += BATCH) {
    const sending = producer.send({ messages: values.map((value) => ({ topic: into, value })) })
    open.add(sending)
    void sending.finally(() => open.delete(sending))
    if (open.size >= 8) await Promise.race(open)
  }
  await Promise.all(open)
  await producer.close()
}

async function consume(from: string): Promise<void> {
  let seen = 0
  const consumer = kafka.consumer({ group: randomUUID(), topics: [from], bufferBytes: 64 << 20 })
  const { promise, resolve } = Promise.withResolvers<void>()
  const running = consumer.batches((messages) => {
    for (const message of messages) if (message.json() !== null) seen++
    if (seen >= count) resolve()
  })
  await promise
  await consumer.close()
  await running
}

async function consumePlain(from: string): Promise<void> {
  const consumer = new PlainConsumer({ groupId: randomUUID(), clientId: 'bench', bootstrapBrokers: [bootstrap] })
  const stream = await consumer.consume({ topics: [from], mode: MessagesStreamModes.EARLIEST, autocommit: true })
  let seen = 0
  for await (const message of stream) {
    JSON.parse(message.value.toString('utf8'))
    if (++seen >= count) break
  }
  await consumer.close(true)
}

const actions = new Map([
  ['produce', produce],
  ['produce-plain', producePlain],
  ['consume', consume],
  ['consume-plain', consumePlain],
])
const action = actions.get(what)
if (action === undefined) throw new Error(`${what}: expected ${[...actions.keys()].join(', ')}`)
await kafka.admin().createTopic(topic, PARTITIONS)
if (what.startsWith('consume')) await produce(topic)
const cpuBefore = process.cpuUsage()
const wallBefore = performance.now()
await action(topic)
const wallSeconds = (performance.now() - wallBefore) / 1000
const { user, system } = process.cpuUsage(cpuBefore)
const cpuSeconds = (user + system) / 1e6
console.log(JSON.stringify({ what, count, wallSeconds, cpuSeconds, perCpuSecond: Math.round(count / cpuSeconds) }))
// The other client holds on to a timer.
process.exit(0)
