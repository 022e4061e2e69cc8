import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { Batch } from '../../core/batch.ts'
import { Gate } from '../gate.ts'
import type { Credit, Mark, ToReceiver } from './messages.ts'
import { ExchangeReceiver } from './receiver.ts'

/** A receiver in lane 0 that is fed by lane 1 over a channel. */
class Pair implements Disposable {
  readonly seen: string[] = []
  readonly credits: number[] = []
  readonly errors: unknown[] = []
  readonly receiver: ExchangeReceiver
  readonly gate = new Gate()
  readonly #port: MessagePort

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    port1.on('message', ({ block }: Credit) => this.credits.push(block))
    this.receiver = new ExchangeReceiver({
      id: 'by-key',
      ports: [undefined, port2],
      unpack: async (block) => block,
      failed: (error) => this.errors.push(error),
    })
    this.receiver.connect(
      (action) => this.gate.run(action),
      async (item) => void this.seen.push(nameOf(item)),
    )
  }

  rows(attempt: number, text: string): void {
    const memory = new SharedArrayBuffer(text.length)
    Buffer.from(memory).write(text)
    const head = { rows: 1, bytes: text.length }
    this.post({ kind: 'rows', attempt, block: this.seen.length, memory, length: text.length, head })
  }

  post(message: ToReceiver): void {
    this.#port.postMessage(message)
  }

  [Symbol.dispose](): void {
    this.#port.close()
    this.receiver.close()
  }
}

function nameOf(item: Batch | Mark): string {
  if (item.kind !== 'batch') return item.kind
  assert.ok(item.body.kind === 'bytes')
  return item.body.buffer.toString('utf8', 0, item.body.length)
}

/** Until everything that was posted has been heard. */
async function settled(): Promise<void> {
  for (let count = 0; count < 5; count++) await turn()
}

test('rows of an attempt that was thrown away are dropped when they come late, and their memory goes back', async () => {
  using pair = new Pair()
  pair.receiver.begin(1)
  pair.receiver.rollback()
  pair.receiver.begin(2)
  pair.rows(1, 'late')
  pair.rows(2, 'fresh')
  await settled()
  assert.deepEqual(pair.seen, ['fresh'])
  assert.equal(pair.credits.length, 2)
})

test('rows that wait for their turn when the checkpoint is thrown away do not enter', async () => {
  using pair = new Pair()
  const busy = Promise.withResolvers<void>()
  void pair.gate.run(() => busy.promise)
  pair.receiver.begin(1)
  pair.rows(1, 'waiting')
  await settled()
  pair.receiver.rollback()
  busy.resolve()
  await settled()
  assert.deepEqual(pair.seen, [])
  assert.equal(pair.credits.length, 1)
})

test('rows of a lane that has begun before us wait for us', async () => {
  using pair = new Pair()
  pair.rows(3, 'early')
  await settled()
  assert.deepEqual(pair.seen, [])
  pair.receiver.begin(3)
  await settled()
  assert.deepEqual(pair.seen, ['early'])
})

test('event time, idleness and ends of splits keep their place between the rows', async () => {
  using pair = new Pair()
  pair.receiver.begin(1)
  pair.rows(1, 'a')
  pair.post({ kind: 'mark', attempt: 1, mark: { kind: 'watermark', split: 's', micros: 1n } })
  pair.rows(1, 'b')
  pair.post({ kind: 'mark', attempt: 1, mark: { kind: 'idle', split: 's' } })
  await settled()
  assert.deepEqual(pair.seen, ['a', 'watermark', 'b', 'idle'])
})

test('rows that get lost on the way are an error of the checkpoint', async () => {
  using pair = new Pair()
  pair.receiver.begin(1)
  pair.rows(1, 'a')
  pair.post({ kind: 'cut', attempt: 1, checkpoint: 7, rows: 2 })
  await settled()
  assert.match(String(pair.errors[0]), /checkpoint 7: 2 rows were sent to another lane by by-key, and 1 arrived/)
})
