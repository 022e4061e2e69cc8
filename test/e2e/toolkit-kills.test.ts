/** Read, process, write in a process that is killed again and again: every message has one copy, and only one. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { KafkaTarget } from '../../src/testkit/kafka-target.ts'
import { Kafka } from '../../src/kafka/index.ts'
import { repository } from '../tidy/source-tree.ts'
import { Chance } from './kit/chance.ts'
import { Broker } from './kit/topic.ts'

const KILLS = process.env['MILLRACE_FULL'] === '1' ? 200 : 6
const MESSAGES_EACH = 60
const SERVICE = path.join(repository, 'test', 'e2e', 'kafka-kit', 'copy-service.ts')

test('a service that reads, processes and writes doubles and loses nothing, however often it is killed', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using broker = await Broker.open()
  await using kafka = new Kafka({ brokers: [broker.address] })
  await using from = await KafkaTarget.create(broker.address, 3)
  await using to = await KafkaTarget.create(broker.address, 2)
  await using producer = kafka.producer()
  const group = `copy-${from.topic}`
  let sent = 0
  const send = async (): Promise<void> => {
    const next = Array.from({ length: MESSAGES_EACH }, () => ({ topic: from.topic, value: String(sent++) }))
    await producer.sendAll(next)
  }
  const start = (): ChildProcess =>
    spawn(process.execPath, [SERVICE, broker.address, group, from.topic, to.topic, 'one', 'static'], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
  let copiedBefore = 0
  for (let kill = 0; kill < KILLS; kill++) {
    await send()
    const service = start()
    const exited = once(service, 'exit')
    // Half of them in the middle of work, the others at any time.
    if (kill % 2 === 0) await until(async () => (await copies(to)).length > copiedBefore || service.exitCode !== null)
    await pause(chance.below(300))
    assert.equal(service.exitCode, null, 'the service ended by itself')
    service.kill('SIGKILL')
    await exited
    const seen = await copies(to)
    assert.equal(new Set(seen).size, seen.length, 'a message was copied twice')
    copiedBefore = seen.length
  }
  const last = start()
  await until(async () => {
    assert.equal(last.exitCode, null, 'the service ended by itself')
    return (await copies(to)).length >= sent
  })
  const exited = once(last, 'exit')
  if (last.kill('SIGKILL')) await exited
  const seen = (await copies(to)).map(Number).toSorted((one, other) => one - other)
  assert.deepEqual(
    seen,
    Array.from({ length: sent }, (_, at) => at),
  )
  t.diagnostic(`${KILLS} kills, ${sent} messages, each copied once`)
})

async function copies(target: KafkaTarget): Promise<string[]> {
  return (await target.read()).map(({ value }) => value ?? '')
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  for (const signal = AbortSignal.timeout(120_000); !(await isTrue()); await pause(50))
    assert.ok(!signal.aborted, 'it did not come to pass within two minutes')
}
