import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Batch } from '../core/batch.ts'
import type { ErrorCode } from '../core/error-codes.ts'
import type { SplitAssignment, SplitEnumerator, SplitReader } from '../core/source.ts'
import { readSplits, recordsOf } from './read-splits.ts'

/** A bounded source with known records. */
export interface OpenedSource extends AsyncDisposable {
  /** Every record once, as text. Enough for ten batches or more, in two splits or more. */
  readonly records: readonly string[]
  /** A new one each time, as after a start. The caller closes it. */
  enumerator(): SplitEnumerator
  /** As lane. The caller closes it. */
  reader(): SplitReader
  /** Stored positions that the source cannot serve, with the code that has to be thrown. */
  refused(
    splits: readonly SplitAssignment[],
  ): readonly { readonly splits: readonly SplitAssignment[]; readonly code: ErrorCode }[]
}

/** What every source promises. Call it from the connector's test file. */
export function sourceSuite(name: string, open: () => Promise<OpenedSource>): void {
  describe(`${name} keeps the promises of a source`, () => {
    discoveryTests(open)
    readingTests(open)
  })
}

function discoveryTests(open: () => Promise<OpenedSource>): void {
  test('what is known is not discovered again, whoever looks', async () => {
    await using source = await open()
    const splits = await discover(source)
    assert.ok(splits.length >= 2)
    const known = new Set(splits.map(({ split }) => split))
    assert.equal(known.size, splits.length)
    const later = source.enumerator()
    assert.deepEqual(await later.discover(known, false), [])
    const [missing] = splits
    known.delete(missing?.split ?? '')
    assert.deepEqual(
      (await later.discover(known, true)).map(({ split }) => split),
      [missing?.split],
    )
    await later.close()
  })

  test('positions that can be served are verified, others halt the job with their code', async () => {
    await using source = await open()
    const splits = await discover(source)
    const enumerator = source.enumerator()
    await enumerator.verify(splits)
    await enumerator.verify([])
    const reader = source.reader()
    const { rest } = await readSplits(reader, splits, 2)
    await enumerator.verify(asStored(rest))
    await reader.close()
    const cases = source.refused(asStored(splits))
    assert.ok(cases.length > 0)
    for (const { splits: bad, code } of cases) {
      await assert.rejects(enumerator.verify(bad), { code, retry: 'halt' }, code)
    }
    await enumerator.close()
  })
}

function readingTests(open: () => Promise<OpenedSource>): void {
  test('every record comes once, and then every split ends', async () => {
    await using source = await open()
    const { records, rest } = await readAll(source, await discover(source), [])
    assertSame(records, source.records)
    assert.deepEqual(rest, [])
  })

  test('wherever reading stops, going on from the stored position gives each record once', async () => {
    await using source = await open()
    const splits = await discover(source)
    for (const stops of [[1], [2], [3], [5], [1, 1, 1], [2, 3, 1, 4]]) {
      assertSame((await readAll(source, splits, stops)).records, source.records)
    }
  })

  test('a reader that is assigned again reads from there, whatever it had read ahead', async () => {
    await using source = await open()
    const splits = await discover(source)
    const reader = source.reader()
    const first = await readSplits(reader, splits, 3)
    const second = await readSplits(reader, asStored(first.rest))
    assertSame([...first.records, ...second.records], source.records)
    assertSame((await readSplits(reader, splits)).records, source.records)
    await reader.close()
  })

  test('splits that are added between polls are read too', async () => {
    await using source = await open()
    const [one, ...others] = await discover(source)
    assert.ok(one !== undefined)
    const reader = source.reader()
    reader.assign([one])
    const signal = AbortSignal.timeout(180_000)
    const records: string[] = []
    const open_ = new Set([one, ...others].map(({ split }) => split))
    const take = async (): Promise<void> => {
      for (const item of await reader.poll(signal)) {
        if (item.kind === 'split-end') open_.delete(item.split)
        if (item.kind !== 'batch') continue
        records.push(...recordsOf(item))
        item.release()
      }
    }
    await take()
    reader.add(others)
    while (open_.size > 0 && !signal.aborted) await take()
    assertSame(records, source.records)
    await reader.close()
  })

  test('a poll that is aborted gives nothing and loses nothing', async () => {
    await using source = await open()
    const splits = await discover(source)
    const reader = source.reader()
    reader.assign(splits)
    const records: string[] = []
    const open_ = new Set(splits.map(({ split }) => split))
    const deadline = AbortSignal.timeout(180_000)
    for (let turn = 0; open_.size > 0 && !deadline.aborted; turn++) {
      const stop = new AbortController()
      // Every other poll is told to stop before, or while, it waits.
      if (turn % 4 === 1) stop.abort()
      if (turn % 4 === 3) setImmediate(() => stop.abort())
      for (const item of await reader.poll(stop.signal)) {
        if (item.kind === 'split-end') open_.delete(item.split)
        if (item.kind !== 'batch') continue
        records.push(...recordsOf(item))
        item.release()
      }
    }
    assertSame(records, source.records)
    await reader.close()
  })

  test('the positions of a split’s batches follow each other', async () => {
    await using source = await open()
    const splits = await discover(source)
    const at = new Map(splits.map(({ split, at: from }) => [split, JSON.stringify(from)]))
    const reader = source.reader()
    await readSplits(reader, splits, Infinity, (batch) => {
      assert.equal(JSON.stringify(batch.from), at.get(batch.split), batch.split)
      at.set(batch.split, JSON.stringify(batch.next))
      return []
    })
    await reader.close()
  })

  test('a batch keeps its records until it is released, however many more are read', async () => {
    await using source = await open()
    const reader = source.reader()
    reader.assign(await discover(source))
    const held: { readonly batch: Batch; readonly records: readonly string[] }[] = []
    const signal = AbortSignal.timeout(180_000)
    // Fewer than any pool holds.
    while (held.length < 3 && !signal.aborted) {
      for (const item of await reader.poll(signal)) {
        if (item.kind === 'batch') held.push({ batch: item, records: recordsOf(item) })
      }
    }
    for (const { batch, records } of held) {
      assert.deepEqual(recordsOf(batch), records)
      batch.release()
    }
    await reader.close()
  })
}

async function discover(source: OpenedSource): Promise<readonly SplitAssignment[]> {
  const enumerator = source.enumerator()
  const splits = await enumerator.discover(new Set(), true)
  await enumerator.close()
  return asStored(splits)
}

/** Reads with a new reader after each number of batches, as after kills. */
async function readAll(
  source: OpenedSource,
  splits: readonly SplitAssignment[],
  stops: readonly number[],
): Promise<{ records: string[]; rest: readonly SplitAssignment[] }> {
  const records: string[] = []
  let rest = splits
  for (const batches of [...stops, Number.POSITIVE_INFINITY]) {
    const reader = source.reader()
    const read = await readSplits(reader, asStored(rest), batches)
    records.push(...read.records)
    rest = read.rest
    await reader.close()
  }
  return { records, rest }
}

/** Manifests carry JSON. */
function asStored(splits: readonly SplitAssignment[]): SplitAssignment[] {
  return JSON.parse(JSON.stringify(splits)) as SplitAssignment[]
}

function assertSame(records: readonly string[], expected: readonly string[]): void {
  assert.equal(records.length, expected.length, 'as many records as there are')
  assert.deepEqual(records.toSorted(), expected.toSorted())
}
