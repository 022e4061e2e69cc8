import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SourceTable } from '../../core/changes.ts'
import { FeedBuffer, type FeedRow } from './feed-buffer.ts'

const table = (name: string): SourceTable => {
  return { id: `d.${name}`, database: 'd', name, columns: [{ name: 'k', type: 'bigint', nullable: false }], key: ['k'] }
}

interface Change {
  readonly ts: number
  readonly table: string
  readonly key: number
  readonly isDelete: boolean
}

const PARTITIONS = 3

function rowOf({ ts, table: name, key, isDelete }: Change): FeedRow & { kind: 'row' } {
  const text = Buffer.from(`{"k":${key},"ts":${ts},"__op":${isDelete ? 1 : 0}}`)
  return { kind: 'row', commitTs: BigInt(ts), table: table(name), isDelete, text }
}

/** One message of a partition: changes of a transaction, or a watermark. */
type Message = { readonly change: Change } | { readonly watermark: number }

/** What the upstream did, each key once in a transaction, as TiCDC writes it: in pieces, some of them again. */
const feeds = fc
  .record({
    changes: fc.uniqueArray(
      fc.record({
        ts: fc.integer({ min: 1, max: 12 }),
        table: fc.constantFrom('a', 'b'),
        key: fc.integer({ min: 0, max: 5 }),
        isDelete: fc.boolean(),
      }),
      { selector: ({ ts, table: name, key }) => `${ts} ${name} ${key}`, maxLength: 40 },
    ),
    repeats: fc.array(fc.nat({ max: 12 }), { maxLength: 3 }),
  })
  .map(({ changes, repeats }) =>
    Array.from({ length: PARTITIONS }, (_, partition): Message[] => {
      const own = changes.filter(({ key }) => key % PARTITIONS === partition).toSorted((a, b) => a.ts - b.ts)
      const once = (from: number): Message[] =>
        Array.from({ length: 14 - from }, (__, at) => from + at).flatMap((ts): Message[] => [
          ...own.filter((change) => change.ts === ts).map((change) => ({ change })),
          { watermark: ts + 1 },
        ])
      return [...once(0), ...repeats.flatMap(once)]
    }),
  )

function settledRows(buffer: FeedBuffer): string[] {
  return buffer.settle().flatMap(({ id, entries }) => entries.map((entry) => `${id} ${textOf(entry)}`))
}

function textOf(entry: object): string {
  return 'text' in entry ? String(entry.text) : 'event'
}

/** All changes of a table by timestamp, deletes first. */
function expected(feed: readonly Message[][], id: string): string[] {
  const all = new Map<string, Change>()
  for (const message of feed.flat()) {
    if ('change' in message) all.set(JSON.stringify(message.change), message.change)
  }
  return [...all.values()]
    .filter(({ table: name }) => `d.${name}` === id)
    .toSorted((a, b) => a.ts - b.ts || Number(b.isDelete) - Number(a.isDelete) || rowOf(a).text.compare(rowOf(b).text))
    .map((change) => `${id} ${rowOf(change).text.toString()}`)
}

test('every change comes out once, in the order of commits, however partitions go ahead and messages come again', () => {
  fc.assert(
    fc.property(feeds, fc.array(fc.nat({ max: PARTITIONS - 1 }), { maxLength: 200 }), (feed, order) => {
      const buffer = new FeedBuffer(new Map(feed.map((_, at) => [String(at), 0n])), 0n)
      const at = feed.map(() => 0)
      const out: string[] = []
      const step = (partition: number): void => {
        const message = feed[partition]?.[at[partition] ?? 0]
        if (message === undefined) return
        const offset = BigInt(at[partition] ?? 0)
        at[partition] = Number(offset) + 1
        if ('watermark' in message) buffer.watermarked(String(partition), BigInt(message.watermark))
        else buffer.add(String(partition), offset, rowOf(message.change))
        buffer.readTo(String(partition), offset + 1n)
        out.push(...settledRows(buffer))
      }
      for (const partition of order) step(partition)
      feed.forEach((messages, partition) => messages.forEach(() => step(partition)))
      for (const id of ['d.a', 'd.b'])
        assert.deepEqual(
          out.filter((line) => line.startsWith(id)),
          expected(feed, id),
        )
      assert.equal(buffer.bytes, 0)
    }),
  )
})

test('reading again from the offsets gives what was not handed on, and nothing else', () => {
  fc.assert(
    fc.property(feeds, fc.array(fc.nat({ max: PARTITIONS - 1 }), { maxLength: 200 }), (feed, order) => {
      let buffer = new FeedBuffer(new Map(feed.map((_, at) => [String(at), 0n])), 0n)
      let at = feed.map(() => 0)
      const out: string[] = []
      const step = (partition: number): void => {
        const message = feed[partition]?.[at[partition] ?? 0]
        if (message === undefined) return
        const offset = BigInt(at[partition] ?? 0)
        at[partition] = Number(offset) + 1
        if ('watermark' in message) buffer.watermarked(String(partition), BigInt(message.watermark))
        else buffer.add(String(partition), offset, rowOf(message.change))
        buffer.readTo(String(partition), offset + 1n)
        out.push(...settledRows(buffer))
      }
      order.forEach((partition, turn) => {
        step(partition)
        if (turn % 7 !== 6) return
        const offsets = buffer.offsets()
        buffer = new FeedBuffer(offsets, buffer.covered)
        at = feed.map((_, one) => Number(offsets.get(String(one))))
      })
      feed.forEach((messages, partition) => messages.forEach(() => step(partition)))
      for (const id of ['d.a', 'd.b'])
        assert.deepEqual(
          out.filter((line) => line.startsWith(id)),
          expected(feed, id),
        )
    }),
  )
})
