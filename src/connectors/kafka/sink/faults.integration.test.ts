import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startKafka, type KafkaService } from '../../../../scripts/services/kafka.ts'
import type { CommitPermit } from '../../../core/checkpoint-types.ts'
import type { LaneContext } from '../../../core/context.ts'
import { MillraceError } from '../../../core/errors.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { CutResult, SinkCoordinator, SinkWriter } from '../../../core/sink.ts'
import { describeTransaction, findTransactions } from '../../../clients/kafka/index.ts'
import { bytesBatch } from '../../../testkit/bytes-batch.ts'
import { KafkaTarget } from '../../../testkit/kafka-target.ts'
import { testCoordinatorContext, testLaneContext } from '../../../testkit/lane-context.ts'
import { kafkaSinkOptions } from './options.ts'
import { KafkaSink } from './sink.ts'

/** A broker of this file's own: it is restarted. */
let broker: KafkaService

before(async () => {
  broker = await startKafka()
})

after(() => broker.stop())

const permit = (checkpoint: number): CommitPermit => ({ checkpoint, epoch: 1 }) as CommitPermit

/** One sink over a topic of its own. */
class Rig implements AsyncDisposable {
  readonly target: KafkaTarget
  readonly #sink: KafkaSink
  readonly #names = { job: randomUUID(), id: 'out' }
  readonly #opened: { close(): Promise<void> }[] = []

  private constructor(target: KafkaTarget, sink: KafkaSink) {
    this.target = target
    this.#sink = sink
  }

  static async open(options: object = {}, configs: Readonly<Record<string, string>> = {}): Promise<Rig> {
    const target = await KafkaTarget.create(broker.bootstrap, 3, configs)
    const given = { brokers: [broker.bootstrap], topic: target.topic, transactionTimeout: '5m', ...options }
    return new Rig(target, new KafkaSink(kafkaSinkOptions.parse(given)))
  }

  coordinator(delivery: LaneContext['delivery'] = 'two-phase'): SinkCoordinator {
    const made = this.#sink.coordinator(testCoordinatorContext({ ...this.#names, delivery }))
    this.#opened.push(made)
    return made
  }

  writer(delivery: LaneContext['delivery'] = 'two-phase'): SinkWriter {
    const made = this.#sink.writer(testLaneContext({ ...this.#names, delivery }))
    this.#opened.push(made)
    return made
  }

  /** Ids that readers of committed records see, ascending. */
  async ids(): Promise<number[]> {
    const ids = (await this.target.read()).map(({ value }) => Number(value))
    return ids.sort((one, other) => one - other)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#opened) await one.close()
    await this.target[Symbol.asyncDispose]()
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)
const batch = (from: number, to: number): ReturnType<typeof bytesBatch> => bytesBatch(range(from, to).map(String))

/** Writes ids into one checkpoint and hands over what would be published. */
async function prepare(
  rig: Rig,
  coordinator: SinkCoordinator,
  checkpoint: number,
  ids: number[],
  epoch = 1,
): Promise<JsonObject> {
  const writer = rig.writer()
  writer.begin(checkpoint, await coordinator.begin(checkpoint, epoch))
  await writer.write(bytesBatch(ids.map(String)))
  const { committables } = await writer.cut({
    checkpoint: checkpoint + 1,
    ticket: { epoch, checkpoint: checkpoint + 1, slot: 9 },
  })
  const [global] = await coordinator.combine(checkpoint, committables)
  assert.ok(global !== undefined)
  return global.committable
}

/** A write is done when its rows are on their way: waits until the broker has heard of them. */
async function untilOngoing({ target }: Rig): Promise<void> {
  while ((await findTransactions(target.client, 'millrace', ['Ongoing'])).length === 0) await pause(20)
}

test('what ran into its time limit is lost, and is said to have expired', async () => {
  await using rig = await Rig.open({ transactionTimeout: '3s' })
  const coordinator = rig.coordinator()
  const prepared = await prepare(rig, coordinator, 1, range(0, 10))
  const id = String(prepared['transactionalId'])
  for (let state = 'Ongoing'; state === 'Ongoing'; await pause(50))
    state = (await describeTransaction(rig.target.client, id))?.state ?? ''
  const outcome = await coordinator.commit(permit(1), prepared)
  assert.deepEqual([outcome.outcome, 'expired' in outcome && outcome.expired], ['lost', true])
  assert.deepEqual(
    (await coordinator.evidence([prepared])).map(({ state }) => state),
    ['lost'],
  )
  assert.deepEqual(await rig.ids(), [])
})

test('what was committed is known when its id has long been used for other checkpoints', async () => {
  await using rig = await Rig.open()
  const coordinator = rig.coordinator()
  const all: JsonObject[] = []
  for (let checkpoint = 1; checkpoint <= 7; checkpoint++) {
    const prepared = await prepare(rig, coordinator, checkpoint, range(checkpoint * 10, checkpoint * 10 + 10))
    assert.equal((await coordinator.commit(permit(checkpoint), prepared)).outcome, 'committed')
    all.push(prepared)
  }
  const used = new Set(all.map((prepared) => prepared['transactionalId']))
  assert.equal(used.size, 3)
  const later = rig.coordinator()
  for (const prepared of all.slice(0, 4))
    assert.equal((await later.commit(permit(1), prepared)).outcome, 'already-committed')
  assert.deepEqual(await rig.ids(), range(10, 80))
})

test('one that wakes up after its epoch was swept cannot write any more, and starts again', async () => {
  await using rig = await Rig.open()
  const coordinator = rig.coordinator()
  const zombie = rig.writer()
  zombie.begin(1, await coordinator.begin(1, 1))
  await zombie.write(batch(0, 10))
  await untilOngoing(rig)
  const report = await rig.coordinator().sweep({ below: 2, runs: [{ epoch: 1, from: 1, to: 2 }], keep: [] })
  assert.equal(report.aborted.length, 1)
  const cut = zombie
    .write(batch(10, 20))
    .then(() => zombie.cut({ checkpoint: 2, ticket: { epoch: 1, checkpoint: 2, slot: 1 } }))
  await assert.rejects(cut, { code: 'UNAVAILABLE', retry: 'restart' })
  await zombie.rollback()
  assert.deepEqual(await rig.ids(), [])
  assert.deepEqual(await findTransactions(rig.target.client, 'millrace', ['Ongoing']), [])
})

test('a broker that restarts in a transaction, and is killed before its commit, loses and doubles nothing', async () => {
  await using rig = await Rig.open()
  const coordinator = rig.coordinator()
  const writer = rig.writer()
  const writeAround = async (restart: () => Promise<void>): Promise<CutResult> => {
    writer.begin(1, await coordinator.begin(1, 1))
    await writer.write(batch(0, 2000))
    const restarting = restart()
    try {
      await writer.write(batch(2000, 4000))
    } finally {
      await restarting
    }
    await writer.write(batch(4000, 5000))
    return writer.cut({ checkpoint: 2, ticket: { epoch: 1, checkpoint: 2, slot: 1 } })
  }
  const { committables, counts } = await writeAround(() => broker.restart()).catch(async (thrown: unknown) => {
    // A slow machine starts the broker more slowly than a writer waits; the job goes back then, and so does this.
    assert.ok(thrown instanceof MillraceError && thrown.code === 'UNAVAILABLE', String(thrown))
    await writer.rollback()
    return writeAround(() => Promise.resolve())
  })
  assert.equal(counts.rows, 5000)
  await broker.kill()
  await broker.restart()
  const [prepared] = await coordinator.combine(1, committables)
  for (let outcome = 'retry'; outcome !== 'committed';) {
    outcome = (await coordinator.commit(permit(1), prepared?.committable ?? {})).outcome
    assert.ok(['retry', 'committed', 'already-committed'].includes(outcome), outcome)
    if (outcome === 'already-committed') break
  }
  assert.deepEqual(await rig.ids(), range(0, 5000))
})

test('a record that the topic does not take is poison', async () => {
  await using rig = await Rig.open({}, { 'max.message.bytes': '4096' })
  const coordinator = rig.coordinator()
  const writer = rig.writer()
  writer.begin(1, await coordinator.begin(1, 1))
  const cut = writer
    .write(bytesBatch(['1', 'x'.repeat(10_000), '3']))
    .then(() => writer.cut({ checkpoint: 2, ticket: { epoch: 1, checkpoint: 2, slot: 1 } }))
  await assert.rejects(cut, (error: Error & { code?: string }) => {
    assert.equal(error.code, 'POISON')
    assert.match(error.message, /max\.message\.bytes/)
    return true
  })
  await writer.rollback()
})

test('at least once, records are visible at the checkpoint without a commit', async () => {
  await using rig = await Rig.open()
  const coordinator = rig.coordinator('at-least-once')
  const writer = rig.writer('at-least-once')
  writer.begin(1, await coordinator.begin(1, 1))
  for (const from of [0, 10, 20]) await writer.write(batch(from, from + 10))
  const { committables, counts } = await writer.cut({ checkpoint: 2, ticket: await coordinator.begin(2, 1) })
  assert.deepEqual([committables, counts.rows], [[], 30])
  assert.deepEqual(await rig.ids(), range(0, 30))
  assert.deepEqual(await coordinator.findTraces(1, 0), [])
})

test('rows of one partition keep their order over many checkpoints', async () => {
  await using rig = await Rig.open({ bufferBytes: '1MiB', batchBytes: '1KiB' })
  const coordinator = rig.coordinator()
  const writer = rig.writer()
  let next = 0
  writer.begin(1, await coordinator.begin(1, 1))
  for (let checkpoint = 1; checkpoint <= 3; checkpoint++) {
    const cutting: Promise<unknown>[] = []
    for (let part = 0; part < 4; part++, next += 500) await writer.write(batch(next, next + 500))
    const ticket = await coordinator.begin(checkpoint + 1, 1)
    const cut = writer.cut({ checkpoint: checkpoint + 1, ticket })
    await writer.write(batch(next, next + 500))
    next += 500
    cutting.push(cut)
    for (const { committable } of await coordinator.combine(checkpoint, (await cut).committables))
      assert.equal((await coordinator.commit(permit(checkpoint), committable)).outcome, 'committed')
    await Promise.all(cutting)
  }
  const byPartition = Map.groupBy(await rig.target.read(), ({ partition }) => partition)
  for (const records of byPartition.values()) {
    const ids = records.map(({ value }) => Number(value))
    assert.deepEqual(
      ids,
      ids.toSorted((one, other) => one - other),
    )
  }
})
