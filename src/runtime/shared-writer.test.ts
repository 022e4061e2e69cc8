import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import type { Batch } from '../core/batch.ts'
import type { CutResult, SinkWriter } from '../core/sink.ts'
import { HostedWriter, RemoteWriter } from './shared-writer.ts'

/** A sink's writer that keeps rows by checkpoint and takes them only when it is let. */
class SlowWriter implements SinkWriter {
  readonly taken: string[] = []
  #checkpoint = 0
  #rows = 0
  #let = Promise.withResolvers<void>()

  begin(checkpoint: number): void {
    this.#checkpoint = checkpoint
    this.#rows = 0
  }

  async write(batch: Batch): Promise<void> {
    await this.#let.promise
    assert.ok(batch.body.kind === 'bytes')
    this.taken.push(`${this.#checkpoint}:${batch.body.buffer.toString('utf8', 0, batch.body.length).trim()}`)
    this.#rows += batch.rows
    batch.release()
  }

  async cut(next: { checkpoint: number }): Promise<CutResult> {
    const rows = this.#rows
    this.begin(next.checkpoint)
    return { committables: [{ rows }], counts: { rows, bytes: rows } }
  }

  async rollback(): Promise<void> {}
  async close(): Promise<void> {}

  /** Takes what waits and what comes. */
  open(): void {
    this.#let.resolve()
  }
}

interface Pair extends Disposable {
  readonly writer: SlowWriter
  readonly host: HostedWriter
  readonly remote: RemoteWriter
  readonly errors: unknown[]
  begin(checkpoint: number): void
}

function openPair(): Pair {
  const { port1, port2 } = new MessageChannel()
  const writer = new SlowWriter()
  const errors: unknown[] = []
  const host = new HostedWriter(writer, [port1], (error) => errors.push(error))
  const remote = new RemoteWriter(port2)
  return {
    writer,
    host,
    remote,
    errors,
    begin: (checkpoint) => {
      host.begin(checkpoint, {})
      remote.begin()
    },
    [Symbol.dispose]: () => {
      port1.close()
      port2.close()
    },
  }
}

function batchOf(text: string): Batch {
  const buffer = Buffer.from(`${text}\n`)
  const body = { kind: 'bytes', buffer, length: buffer.length, separator: 0x0a } as const
  return { kind: 'batch', split: 's', from: {}, next: {}, body, rows: 1, bytes: 1, release: () => undefined }
}

/** Until all messages that were posted before have been heard. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('rows of all lanes are cut together, and what a lane sends after its cut belongs to the next checkpoint', async () => {
  using pair = openPair()
  pair.writer.open()
  pair.begin(1)
  await pair.remote.write(batchOf('a'))
  const ofRemote = pair.remote.cut()
  await pair.remote.write(batchOf('c'))
  await settled()
  await pair.host.write(batchOf('b'))
  const ofHost = await pair.host.cut({ checkpoint: 2, ticket: {} })
  assert.deepEqual([ofHost.committables, ofHost.counts.rows], [[{ rows: 2 }], 1])
  assert.deepEqual([(await ofRemote).committables, (await ofRemote).counts.rows], [[], 1])
  await settled()
  assert.deepEqual(pair.writer.taken, ['1:a', '1:b', '2:c'])
})

test('rows that waited for a slow sink when the checkpoint was thrown away never reach a later one', async () => {
  using pair = openPair()
  pair.begin(1)
  await pair.remote.write(batchOf('a'))
  await pair.remote.write(batchOf('b'))
  await settled()
  await Promise.all([pair.host.rollback(), pair.remote.rollback()])
  pair.begin(1)
  pair.writer.open()
  await pair.remote.write(batchOf('fresh'))
  await settled()
  assert.ok(!pair.writer.taken.includes('1:b'), pair.writer.taken.join())
  assert.ok(pair.writer.taken.includes('1:fresh'))
  assert.deepEqual(pair.errors, [])
})

test('a lane that waits for a credit lets go when it is closed', async () => {
  using pair = openPair()
  pair.begin(1)
  for (let block = 0; block < 3; block++) await pair.remote.write(batchOf(String(block)))
  const waiting = pair.remote.write(batchOf('no block left'))
  await settled()
  await pair.remote.close()
  await assert.rejects(waiting, /thrown away/)
})
