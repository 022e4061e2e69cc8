import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from '../../core/batch.ts'
import { connector } from './index.ts'
import { BlackholeSink } from './sink.ts'

const NEXT = { checkpoint: 2, ticket: {} }

function batch(rows: number): Batch & { readonly released: () => number } {
  let released = 0
  return {
    kind: 'batch',
    split: 'a',
    from: { at: 0 },
    next: { at: rows },
    body: { kind: 'rows', rows: [], schema: [] },
    rows,
    bytes: rows * 10,
    release: () => void released++,
    released: () => released,
  }
}

test('a cut counts what was written since the last one and every batch is released once', async () => {
  const writer = new BlackholeSink().writer()
  const [first, second, third] = [batch(3), batch(4), batch(5)] as const
  writer.begin(1, {})
  await writer.write(first)
  await writer.write(second)
  const cut = writer.cut(NEXT)
  await writer.write(third)
  assert.deepEqual(await cut, { committables: [{ rows: 7 }], counts: { rows: 7, bytes: 70 } })
  assert.deepEqual(await writer.cut(NEXT), { committables: [{ rows: 5 }], counts: { rows: 5, bytes: 50 } })
  assert.deepEqual(await writer.cut(NEXT), { committables: [], counts: { rows: 0, bytes: 0 } })
  assert.deepEqual(
    [first, second, third].map((one) => one.released()),
    [1, 1, 1],
  )
})

test('a rollback forgets open rows', async () => {
  const writer = new BlackholeSink().writer()
  await writer.write(batch(3))
  await writer.rollback()
  assert.deepEqual((await writer.cut(NEXT)).counts, { rows: 0, bytes: 0 })
})

test('the parts of all lanes become one committable, which is committed as often as it is asked', async () => {
  const coordinator = new BlackholeSink().coordinator()
  const combined = await coordinator.combine(1, [{ rows: 3 }, { rows: 4 }])
  assert.deepEqual(combined, [{ orderKey: 'blackhole', rows: 7, committable: { rows: 7 } }])
  assert.deepEqual(await coordinator.combine(2, []), [])
  assert.deepEqual(await coordinator.evidence([{ rows: 7 }]), [{ state: 'committed' }])
})

test('the connector takes records of every encoding without a schema and refuses options', async () => {
  const sink = connector.sink
  assert.ok(sink)
  const ask = { schema: undefined, lanes: 1, delivery: 'two-phase' } as const
  const times = { intervalMs: 1, timeoutMs: 1, maxDowntimeMs: 1, retained: 3 }
  assert.deepEqual(sink.describe({}, { ...ask, times }).takes[0], { kind: 'bytes', format: 'raw', separator: 0x0a })
  assert.equal(sink.options.safeParse({ table: 'x' }).success, false)
  assert.ok((await sink.create({})) instanceof BlackholeSink)
})
