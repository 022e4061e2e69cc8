/**
 * Proves that records of rolled-back transactions are never seen, whatever part of a transaction one fetch shows. The
 * hand-made logs below are what a broker answers: the list of aborted transactions covers the returned range, while the
 * markers may lie in a later response.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { AbortedTransaction } from './apis/fetch.ts'
import { BatchCursor } from './batch-cursor.ts'
import { encodeBatch } from './batch-encoder.ts'
import { COMMA, ValueTarget } from './value-target.ts'

function data(baseOffset: bigint, producerId: bigint, ...values: string[]): Buffer {
  const records = values.map((value) => ({ value: Buffer.from(value) }))
  const producer = { producerId, producerEpoch: 0, baseSequence: 0 }
  return encodeBatch(records, { baseOffset, isTransactional: true, producer })
}

function marker(baseOffset: bigint, producerId: bigint, kind: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1])
  const producer = { producerId, producerEpoch: 0, baseSequence: -1 }
  return encodeBatch([{ key, value: Buffer.alloc(6) }], {
    baseOffset,
    isTransactional: true,
    isControl: true,
    producer,
  })
}

function read(
  batches: readonly Buffer[],
  aborted: readonly AbortedTransaction[],
  from = 0n,
): { text: string; offset: bigint } {
  const cursor = new BatchCursor()
  const target = new ValueTarget({ buffer: Buffer.alloc(1024), rowsMax: 100, separator: COMMA, isJson: false })
  cursor.load({ topic: 't', partition: 0, records: Buffer.concat(batches), from, aborted })
  cursor.gatherValues(target)
  return { text: target.buffer.toString('latin1', 0, target.length), offset: cursor.offset }
}

const one = { producerId: 1n, firstOffset: 0n }

test('an aborted transaction with its marker is passed over, and the offset moves past the marker', () => {
  assert.deepEqual(read([data(0n, 1n, 'a', 'b'), marker(2n, 1n, 'abort')], [one]), { text: '', offset: 3n })
})

test('an aborted transaction whose marker comes in a later response is passed over', () => {
  assert.deepEqual(read([data(0n, 1n, 'a', 'b')], [one]), { text: '', offset: 2n })
})

test('two aborted transactions of the same producer are both passed over', () => {
  const log = [data(0n, 1n, 'a'), marker(1n, 1n, 'abort'), data(2n, 1n, 'b'), marker(3n, 1n, 'abort')]
  assert.equal(read(log, [{ producerId: 1n, firstOffset: 2n }, one]).text, '')
})

test('the same producer commits after an abort', () => {
  const log = [data(0n, 1n, 'a'), marker(1n, 1n, 'abort'), data(2n, 1n, 'b'), marker(3n, 1n, 'commit')]
  assert.deepEqual(read(log, [one]), { text: 'b,', offset: 4n })
})

test('a commit of one producer does not end the abort of another one', () => {
  const log = [
    data(0n, 1n, 'a'),
    data(1n, 2n, 'x'),
    marker(2n, 2n, 'commit'),
    data(3n, 1n, 'b'),
    marker(4n, 1n, 'abort'),
  ]
  assert.equal(read(log, [one]).text, 'x,')
})

test('an abort marker of a producer that is not in the list changes nothing', () => {
  const log = [marker(0n, 9n, 'abort'), data(1n, 1n, 'a'), marker(2n, 1n, 'abort'), data(3n, 2n, 'x')]
  assert.equal(read(log, [{ producerId: 1n, firstOffset: 1n }]).text, 'x,')
})

test('reading from the middle of an aborted transaction sees none of it', () => {
  const log = [data(0n, 1n, 'a', 'b', 'c'), data(3n, 1n, 'd'), marker(4n, 1n, 'abort'), data(5n, 1n, 'e')]
  assert.deepEqual(read(log, [one], 2n), { text: 'e,', offset: 6n })
})

test('two transactions of one producer that both began before the first returned offset', () => {
  const log = [
    data(5n, 1n, 'b'),
    marker(6n, 1n, 'abort'),
    data(7n, 1n, 'c'),
    marker(8n, 1n, 'abort'),
    data(9n, 1n, 'd'),
  ]
  const aborted = [one, { producerId: 1n, firstOffset: 7n }]
  assert.equal(read(log, aborted, 5n).text, 'd,')
})

test('records outside of transactions are seen between aborted ones', () => {
  const plain = encodeBatch([{ value: Buffer.from('p') }], { baseOffset: 1n })
  assert.equal(read([data(0n, 1n, 'a'), plain, data(2n, 1n, 'b'), marker(3n, 1n, 'abort')], [one]).text, 'p,')
})

test('without a list, as for uncommitted isolation, everything but the markers is seen', () => {
  assert.equal(read([data(0n, 1n, 'a'), marker(1n, 1n, 'abort')], []).text, 'a,')
})

/** Bytes of Apache Kafka 4.1.1: a aborts, b commits, a aborts, a commits; two records each. */
test('a log written by a broker shows exactly the committed transactions', () => {
  const fixture = (name: string): Buffer =>
    readFileSync(new URL(`../../../test/fixtures/kafka/${name}`, import.meta.url))
  const listed = JSON.parse(fixture('transactions-aborted.json').toString()) as {
    producerId: string
    firstOffset: string
  }[]
  const aborted = listed.map((entry) => ({
    producerId: BigInt(entry.producerId),
    firstOffset: BigInt(entry.firstOffset),
  }))
  const committed = 'b1 true,b2 true,a1 true,a2 true,'
  assert.deepEqual(read([fixture('transactions.bin')], aborted), { text: committed, offset: 12n })
})
