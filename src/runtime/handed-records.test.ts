import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from '../core/batch.ts'
import { bytesBatch, testBatch } from '../testkit/bytes-batch.ts'
import { HandedCounter, type TrialRanges } from './handed-records.ts'

const RECORDS = ['{"id":0}', '{"id":1}', '{"id":2}', '{"id":3}']

function textOf(batch: Batch | undefined): string | undefined {
  if (batch === undefined) return undefined
  const { body } = batch
  assert.ok(body.kind === 'bytes')
  return body.buffer.toString('utf8', 0, body.length)
}

/** Tables that were cut are called by what was taken of them. */
function newCounter(): HandedCounter {
  return new HandedCounter(async (batch, from, to) => {
    batch.release()
    return { ...batch, rows: to - from, body: { kind: 'table', relation: `rows ${from} to ${to}`, schema: [] } }
  })
}

function trialOf(ranges: TrialRanges): HandedCounter {
  const counter = newCounter()
  counter.begin(7, { in: ranges })
  return counter
}

test('outside of a trial everything is handed on and counted for its checkpoint', async () => {
  const counter = newCounter()
  counter.begin(7, undefined)
  const batch = bytesBatch(RECORDS)
  assert.equal(await counter.take('in', batch), batch)
  counter.cut(8)
  await counter.take('in', bytesBatch(RECORDS.slice(1)))
  assert.equal(counter.isTrialOver, undefined)
  assert.deepEqual(counter.report(), [
    { checkpoint: 7, source: 'in', split: 's/0', records: 4 },
    { checkpoint: 8, source: 'in', split: 's/0', records: 3 },
  ])
})

test('checkpoints that must be published by now are forgotten', async () => {
  const counter = newCounter()
  counter.begin(7, undefined)
  for (const next of [8, 9]) {
    await counter.take('in', bytesBatch(RECORDS))
    counter.cut(next)
  }
  assert.deepEqual(
    counter.report().map(({ checkpoint }) => checkpoint),
    [8],
  )
})

test('a trial hands on its records only, whatever batches they come in, and knows where they stand', async () => {
  const counter = trialOf({ 's/0': { from: 3, to: 6 } })
  const first = bytesBatch(RECORDS)
  assert.equal(textOf(await counter.take('in', first)), '{"id":3}\n')
  assert.equal(counter.isTrialOver, false)
  const second = bytesBatch(RECORDS, { from: { offset: 4 }, next: { offset: 8 } })
  assert.equal(textOf(await counter.take('in', second)), '{"id":0}\n{"id":1}\n')
  assert.equal(counter.isTrialOver, true)
  const beyond = bytesBatch(RECORDS, { from: { offset: 8 }, next: { offset: 12 } })
  assert.equal(await counter.take('in', beyond), undefined)
  assert.equal(beyond.releases, 1)
  const [{ records, first: start, last: end } = assert.fail('it tells nothing')] = counter.report()
  assert.deepEqual([records, start?.['offset'], end?.['offset']], [3, '3', '5'])
})

test('separators inside of records are no borders where ends are known', async () => {
  const counter = trialOf({ 's/0': { from: 1, to: 2 } })
  const buffer = Buffer.from('{"a":1,"b":2},{"a":3,"b":4},{"a":5,"b":6},')
  const ends = Uint32Array.of(13, 27, 41)
  const metadata = { offset: BigInt64Array.of(5n, 9n, 11n), key: [null, Buffer.from('k'), null] }
  const body = { kind: 'bytes' as const, buffer, length: buffer.length, separator: 0x2c, ends, metadata }
  const part = await counter.take('in', testBatch(3, body, { from: { offset: '5' }, next: { offset: '12' } }))
  assert.equal(textOf(part), '{"a":3,"b":4},')
  assert.ok(part?.body.kind === 'bytes')
  assert.deepEqual(part.body.ends, Uint32Array.of(13))
  assert.deepEqual(part.body.metadata, { offset: BigInt64Array.of(9n), key: [Buffer.from('k')] })
  assert.equal(counter.report()[0]?.first?.['offset'], '9')
})

test('of a table the wanted rows are taken, with where they stand', async () => {
  const metadata = { offset: BigInt64Array.of(0n, 30n, 41n, 77n) }
  const table = testBatch(
    4,
    { kind: 'table', relation: 'all', schema: [], metadata },
    { from: { row: 6 }, next: { row: 10 } },
  )
  const counter = trialOf({ 's/0': { from: 1, to: 3 } })
  const part = await counter.take('in', table)
  assert.ok(part?.body.kind === 'table')
  assert.deepEqual(
    [part.rows, part.body.relation, part.body.metadata],
    [2, 'rows 1 to 3', { offset: BigInt64Array.of(30n, 41n) }],
  )
  assert.equal(table.releases, 1)
  const [{ first, last } = assert.fail('it tells nothing')] = counter.report()
  assert.deepEqual([first?.['offset'], first?.['row'], last?.['offset'], last?.['row']], ['30', 7, '41', 8])
})

test('objects cannot be cut: they come whole with the first one, and not with another', async () => {
  const objects = { kind: 'rows' as const, rows: [], schema: [] }
  const whole = testBatch(4, objects)
  assert.equal(await trialOf({ 's/0': { from: 0, to: 1 } }).take('in', whole), whole)
  const left = testBatch(4, objects)
  assert.equal(await trialOf({ 's/0': { from: 1, to: 4 } }).take('in', left), undefined)
  assert.equal(left.releases, 1)
})

test('splits that a trial does not name are passed over, and one that ended holds nothing up', async () => {
  const counter = trialOf({ 's/0': { from: 0, to: 9 } })
  assert.equal(await counter.take('in', bytesBatch(RECORDS, { split: 's/1' })), undefined)
  await counter.take('in', bytesBatch(RECORDS))
  assert.equal(counter.isTrialOver, false)
  counter.splitEnded('in', 's/0')
  assert.equal(counter.isTrialOver, true)
})
