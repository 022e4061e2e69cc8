import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Item } from '../../core/batch.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { appendRows } from '../../testkit/emulators/sls/append-rows.ts'
import type { SlsFaultRule } from '../../testkit/emulators/sls/index.ts'
import { countLogs, encodeLogGroup } from '../../testkit/emulators/sls/log-group.ts'
import { readSplits, recordsOf } from '../../testkit/read-splits.ts'
import { TestedSls } from '../../testkit/sls-source.ts'

const NONE: ReadonlySet<string> = new Set()

/** Rows `n` of one shard, some in each group. */
function fill(sls: TestedSls, shard: number, groups: number, rows = 3): string[] {
  const lines: string[] = []
  for (let group = 0; group < groups; group++) {
    const made = Array.from({ length: rows }, (_, at) => ({ n: `${shard}-${group}-${at}` }))
    appendRows(sls.logstore, shard, made)
    lines.push(...made.map((row) => JSON.stringify(row)))
  }
  return lines
}

async function splitsOf(sls: TestedSls): Promise<readonly SplitAssignment[]> {
  return await sls.enumerator().discover(NONE, true)
}

/** Polls until the condition holds. */
async function pollUntil(reader: SplitReader, isDone: (items: readonly Item[]) => boolean): Promise<Item[]> {
  const items: Item[] = []
  const signal = AbortSignal.timeout(180_000)
  while (!isDone(items)) {
    assert.ok(!signal.aborted, 'it comes to pass in time')
    items.push(...(await reader.poll(signal)))
  }
  return items
}

const linesOf = (items: readonly Item[]): string[] =>
  items.flatMap((item) => (item.kind === 'batch' ? recordsOf(item) : []))
const endsOf = (items: readonly Item[]): string[] =>
  items.flatMap((item) => (item.kind === 'split-end' ? [item.split] : []))

test('a batch tells when its records happened', async () => {
  await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
  const time = 1_763_690_000
  const group = encodeLogGroup({ logs: [{ time, contents: [['n', '1']] }] })
  sls.logstore.shard(0).append(group, countLogs(group), Math.floor(Date.now() / 1000))
  const reader = sls.reader()
  reader.assign(await splitsOf(sls))
  const items = await pollUntil(reader, (seen) => linesOf(seen).length > 0)
  await reader.close()
  assert.deepEqual(
    items.flatMap((item) => (item.kind === 'batch' ? [item.eventMs] : [])),
    [time * 1000],
  )
})

suite('faults on the way', () => {
  const storm: SlsFaultRule[] = [
    {
      action: 'error',
      status: 403,
      code: 'ShardReadQuotaExceed',
      match: { operation: 'pullLogs', nth: 2 },
    },
    { action: 'error', status: 500, code: 'InternalServerError', match: { operation: 'pullLogs', every: 7, times: 2 } },
    { action: 'gateway', match: { operation: 'pullLogs', every: 11, times: 2 } },
    { action: 'drop-reply', match: { operation: 'pullLogs', every: 8, nth: 3, times: 2 } },
    { action: 'short-body', match: { operation: 'pullLogs', every: 10, times: 2 } },
    { action: 'cut-block', match: { operation: 'pullLogs', every: 13, times: 3 } },
    { action: 'broken-list', match: { operation: 'pullLogs', every: 6, nth: 4, times: 3 } },
    { action: 'wrong-raw-size', by: 5, match: { operation: 'pullLogs', every: 14, times: 2 } },
    { action: 'wrong-count', match: { operation: 'pullLogs', every: 15, times: 2 } },
    { action: 'no-cursor', match: { operation: 'pullLogs', every: 12, times: 2 } },
  ]
  for (const compression of ['lz4', 'zstd']) {
    test(`of every kind at once lose and double nothing (${compression})`, async () => {
      await using sls = await TestedSls.open({ end: 'latest', compression }, { settings: { pullBytesMax: 500 } })
      const lines = [...fill(sls, 0, 80), ...fill(sls, 1, 80)]
      const splits = await splitsOf(sls)
      for (const rule of storm) sls.emulator.addFault(rule)
      const { records, rest } = await readSplits(sls.reader(), splits)
      assert.deepEqual(records.toSorted(), lines.toSorted())
      assert.deepEqual(rest, [])
    })
  }

  test('a block that lies about its size for ever is damage, with shard and cursor', async () => {
    await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
    fill(sls, 0, 3)
    const splits = await splitsOf(sls)
    sls.emulator.addFault({ action: 'wrong-raw-size', match: { operation: 'pullLogs', times: 0 } })
    await assert.rejects(readSplits(sls.reader(), splits), {
      code: 'DECODE',
      exitCode: 71,
      message: /shard 0: an answer at cursor \S+ is damaged: its lz4 block is damaged, 6 times in a row/,
    })
  })
})

suite('positions', () => {
  test('a batch may end inside of an answer, and reading goes on there', async () => {
    await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
    const lines = fill(sls, 0, 40)
    const splits = (await splitsOf(sls)).map((split) => ({ ...split, isTraced: true }))
    for (const batches of [1, 7, 39]) {
      const first = await readSplits(sls.reader(), splits, batches)
      const second = await readSplits(sls.reader(), first.rest)
      assert.deepEqual([...first.records, ...second.records], lines)
    }
  })

  test('traced batches hold one group and say its number', async () => {
    await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
    fill(sls, 0, 4)
    const splits = (await splitsOf(sls)).map((split) => ({ ...split, isTraced: true }))
    const offsets: bigint[][] = []
    await readSplits(sls.reader(), splits, Infinity, (batch) => {
      if (batch.body.kind === 'bytes') offsets.push([...(batch.body.metadata?.offset ?? [])])
      return []
    })
    const { begin } = sls.logstore.shard(0)
    assert.deepEqual(
      offsets,
      [0n, 1n, 2n, 3n].map((group) => [begin + group, begin + group, begin + group]),
    )
  })

  test('a bounded read ends between the groups of an answer', async () => {
    await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
    const lines = fill(sls, 0, 5)
    const splits = await splitsOf(sls)
    fill(sls, 0, 5)
    const { records, rest } = await readSplits(sls.reader(), splits)
    assert.deepEqual([records, rest], [lines, []])
  })

  test('logs that expire under the cursor stop the job with the range, although the service goes on reading', async () => {
    await using sls = await TestedSls.open({}, { shards: 1, settings: { pullBytesMax: 200 } })
    fill(sls, 0, 20)
    const reader = sls.reader()
    reader.assign(await splitsOf(sls))
    await pollUntil(reader, (items) => linesOf(items).length > 0)
    sls.logstore.shard(0).expire(19)
    await assert.rejects(
      pollUntil(reader, () => false),
      (error: Error & { code?: string; detail?: { lost?: string; first?: string } }) => {
        assert.equal(error.code, 'POSITION_LOST')
        assert.equal(error.detail?.first, String(sls.logstore.shard(0).begin))
        assert.ok(Number(error.detail?.lost) > 0)
        return true
      },
    )
  })

  test('groups before the position may have expired', async () => {
    await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
    const lines = fill(sls, 0, 10)
    const splits = (await splitsOf(sls)).map((split) => ({ ...split, isTraced: true }))
    const { rest } = await readSplits(sls.reader(), splits, 6)
    sls.logstore.shard(0).expire(6)
    const { records } = await readSplits(sls.reader(), rest)
    assert.deepEqual(records, lines.slice(18))
  })

  test('a bounded read of which everything expired does not wait for ever', async () => {
    await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
    fill(sls, 0, 3)
    const splits = await splitsOf(sls)
    sls.logstore.shard(0).expire(3)
    await assert.rejects(readSplits(sls.reader(), splits), { code: 'POSITION_LOST' })
  })

  test('text that is no UTF-8 is poison with shard, group and log', async () => {
    await using sls = await TestedSls.open({ end: 'latest' }, { shards: 1 })
    fill(sls, 0, 2)
    appendRows(sls.logstore, 0, [{ n: 'good' }, { n: Buffer.from([0x61, 0xff, 0x62]) }])
    const { begin } = sls.logstore.shard(0)
    await assert.rejects(readSplits(sls.reader(), await splitsOf(sls)), {
      code: 'POISON',
      exitCode: 71,
      message: new RegExp(`shard 0: log 1 of group ${begin + 2n} .*invalid UTF-8`),
    })
  })
})

suite('the end of a shard', () => {
  test('is reached when it is readonly and its end stays where it is', async () => {
    await using sls = await TestedSls.open()
    const lines = fill(sls, 0, 3)
    const reader = sls.reader()
    const enumerator = sls.enumerator()
    const splits = await enumerator.discover(NONE, true)
    reader.assign(splits)
    const live = await pollUntil(reader, (items) => linesOf(items).length === lines.length)
    assert.deepEqual(endsOf(live), [])
    sls.logstore.split(0)
    // A log that was on its way when the shard was split.
    const late = fill(sls, 0, 1)
    const items = await pollUntil(reader, (seen) => endsOf(seen).length > 0)
    assert.deepEqual([endsOf(items), linesOf(items)], [['logs/0'], late])
    const children = await enumerator.discover(new Set(splits.map(({ split }) => split)), false, new Set(['logs/0']))
    const more = fill(sls, 3, 2)
    reader.add(children)
    assert.deepEqual(linesOf(await pollUntil(reader, (seen) => linesOf(seen).length === 6)), more)
  })

  test('a shard that vanishes before it was read to its end stops the job', async () => {
    await using sls = await TestedSls.open({}, { shards: 1, settings: { pullBytesMax: 200 } })
    fill(sls, 0, 20)
    const reader = sls.reader()
    reader.assign(await splitsOf(sls))
    await pollUntil(reader, (items) => linesOf(items).length > 0)
    sls.logstore.drop(0)
    await assert.rejects(
      pollUntil(reader, () => false),
      { code: 'POSITION_LOST', message: /gone before it was read/ },
    )
  })

  test('a refused cursor and a deleted logstore stop the job', async () => {
    for (const [code, words] of [
      ['InvalidCursor', /refuses the cursor/],
      ['LogStoreNotExist', /deleted/],
    ] as const) {
      await using sls = await TestedSls.open({}, { shards: 1 })
      const splits = await splitsOf(sls)
      sls.emulator.addFault({ action: 'error', status: 400, code, match: { operation: 'pullLogs', times: 0 } })
      const reader = sls.reader()
      reader.assign(splits)
      await assert.rejects(
        pollUntil(reader, () => false),
        { code: 'POSITION_LOST', message: words },
      )
    }
  })
})
