/** Services of one group that come, go, are killed and sleep: every message has one copy, and only one. */
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

type Action = 'join' | 'leave' | 'kill' | 'sleep' | 'wake'

const isFull = process.env['MILLRACE_FULL'] === '1'
const ACTIONS = isFull ? 120 : 6
const MEMBERS_MAX = isFull ? 8 : 3
const MESSAGES_EACH = 40
const PATIENCE_MS = isFull ? 600_000 : 180_000
const SERVICE = path.join(repository, 'test', 'e2e', 'kafka-kit', 'copy-service.ts')

/** The services of the group. */
class Members implements AsyncDisposable {
  readonly #args: readonly string[]
  readonly #running = new Map<ChildProcess, 'awake' | 'asleep'>()
  #started = 0

  constructor(args: readonly string[]) {
    this.#args = args
  }

  /** What can be done now. One that is awake stays, or nobody would go on. */
  get possible(): Action[] {
    const states = [...this.#running.values()]
    const awake = states.filter((state) => state === 'awake').length
    return [
      ...(states.length < MEMBERS_MAX ? (['join', 'join'] as const) : []),
      ...(awake > 1 ? (['leave', 'kill', 'sleep'] as const) : []),
      ...(awake < states.length ? (['wake'] as const) : []),
    ]
  }

  async act(action: Action, chance: Chance): Promise<void> {
    if (action === 'join') return this.start()
    const state = action === 'wake' ? 'asleep' : 'awake'
    const suited = [...this.#running].filter(([, at]) => at === state).map(([service]) => service)
    const service = suited[chance.below(suited.length)]
    if (service === undefined) return
    if (action === 'sleep' || action === 'wake') {
      this.#running.set(service, action === 'sleep' ? 'asleep' : 'awake')
      service.kill(action === 'sleep' ? 'SIGSTOP' : 'SIGCONT')
      return
    }
    await this.#end(service, action === 'leave' ? 'SIGTERM' : 'SIGKILL')
  }

  start(): void {
    const name = `member-${this.#started++}`
    // What a service says that slept too long, and ended because others did its work, is nothing to read.
    const service = spawn(process.execPath, [SERVICE, ...this.#args, name], { stdio: 'ignore' })
    this.#running.set(service, 'awake')
    service.once('exit', () => this.#running.delete(service))
  }

  /** All are awake, and there is one at least. */
  async wakeAll(chance: Chance): Promise<void> {
    while (this.possible.includes('wake')) await this.act('wake', chance)
    if (this.#running.size === 0) this.start()
  }

  async #end(service: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (service.exitCode !== null || service.signalCode !== null) return
    const exited = once(service, 'exit')
    service.kill(signal)
    await exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of this.#running.keys()) await this.#end(service, 'SIGKILL')
  }
}

test('with services that come, go, are killed and sleep every message is copied once', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using broker = await Broker.open()
  await using kafka = new Kafka({ brokers: [broker.address] })
  await using from = await KafkaTarget.create(broker.address, 6)
  await using to = await KafkaTarget.create(broker.address, 2)
  await using producer = kafka.producer()
  await using members = new Members([broker.address, `group-${from.topic}`, from.topic, to.topic])
  const copies = async (): Promise<string[]> => (await to.read()).map(({ value }) => value ?? '')
  const until = async (isTrue: (seen: readonly string[]) => boolean): Promise<void> => {
    for (const signal = AbortSignal.timeout(PATIENCE_MS); !isTrue(await copies()); await pause(100)) {
      assert.ok(!signal.aborted, 'it did not come to pass in time')
      await members.wakeAll(chance)
    }
  }
  let sent = 0
  const done: Action[] = []
  for (let at = 0; at < ACTIONS; at++) {
    await producer.sendAll(Array.from({ length: MESSAGES_EACH }, () => ({ topic: from.topic, value: String(sent++) })))
    const { possible } = members
    const action = possible[chance.below(possible.length)] ?? 'join'
    done.push(action)
    await members.act(action, chance)
    await pause(chance.below(isFull ? 3000 : 500))
    // Whatever holds somebody up, the group goes on in the end.
    if (at % 20 === 19) await until((seen) => seen.length >= sent)
  }
  await until((seen) => seen.length >= sent)
  const seen = (await copies()).map(Number).toSorted((one, other) => one - other)
  assert.deepEqual(
    seen,
    Array.from({ length: sent }, (_, at) => at),
    done.join(),
  )
  t.diagnostic(`${done.join(' ')}: ${sent} messages, each copied once`)
})
