/** Tables that grow, change, are rolled back and lose snapshots while they are followed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SplitAssignment } from '../../core/source.ts'
import { fixtureTable, GrowingTable, OpenedIceberg } from '../../testkit/iceberg-tables.ts'

type Options = Record<string, unknown>

/** Reads on with a new reader until every stripe stands behind this snapshot. */
async function readUpTo(
  source: OpenedIceberg,
  splits: readonly SplitAssignment[],
  snapshot: string,
): Promise<{ lines: string[]; splits: readonly SplitAssignment[] }> {
  const reader = source.reader()
  const at = new Map(splits.map((split) => [split.split, split.at]))
  const lines: string[] = []
  const signal = AbortSignal.timeout(180_000)
  const isThere = (): boolean => [...at.values()].every((one) => one['done'] === true && one['snapshot'] === snapshot)
  reader.assign(splits)
  while (!isThere()) {
    assert.ok(!signal.aborted, 'the snapshot is reached in time')
    for (const item of await reader.poll(signal)) {
      assert.equal(item.kind, 'batch')
      if (item.kind !== 'batch') continue
      assert.deepEqual(item.from, at.get(item.split))
      lines.push(...(await source.rows(item)))
      at.set(item.split, item.next)
      item.release()
    }
  }
  await reader.close()
  return { lines, splits: splits.map((split) => ({ ...split, at: at.get(split.split) ?? split.at })) }
}

async function openFollowed(
  table: GrowingTable,
  options: Options = {},
  metadata: string[] = [],
): Promise<OpenedIceberg> {
  return await OpenedIceberg.open({ table: table.directory, follow: true, ...options }, { metadata })
}

const APPENDED = ['6044753043397790617', '712054388903794913', '4273771090794627864', '1403146055625979729']

test('what later snapshots append comes once, over restarts', async () => {
  using table = new GrowingTable('v2_append', 2)
  await using source = await openFollowed(table)
  const seen: string[] = []
  let splits = await source.discover()
  for (const [index, snapshot] of APPENDED.entries()) {
    table.growTo(index + 2)
    await source.enumerator().verify(splits)
    const read = await readUpTo(source, splits, snapshot)
    assert.equal(read.lines.length, 100, snapshot)
    seen.push(...read.lines)
    splits = read.splits
  }
  await using whole = await OpenedIceberg.open({ table: fixtureTable('v2_append') })
  assert.deepEqual(seen.toSorted(), (await whole.readLines()).toSorted())
})

test('several snapshots that came at once are read one after the other', async () => {
  using table = new GrowingTable('v2_append', 2)
  await using source = await openFollowed(table)
  const first = await readUpTo(source, await source.discover(), APPENDED[0] ?? '')
  table.growTo(5)
  const rest = await readUpTo(source, first.splits, APPENDED[3] ?? '')
  assert.equal(rest.lines.length, 300)
})

test('snapshots of which nothing is kept are passed, and the position goes on', async () => {
  using table = new GrowingTable('v2_append', 2)
  const options = { table: table.directory, follow: true }
  await using source = await OpenedIceberg.open(options, { prune: '"id" >= 350' })
  const first = await readUpTo(source, await source.discover(), APPENDED[0] ?? '')
  assert.equal(first.lines.length, 0)
  table.growTo(5)
  const rest = await readUpTo(source, first.splits, APPENDED[3] ?? '')
  assert.equal(rest.lines.length, 100)
})

test('a table without a snapshot is followed from its first one on', async () => {
  using table = new GrowingTable('v2_append', 1)
  await using source = await openFollowed(table)
  const splits = await source.discover()
  assert.ok(splits.length > 0)
  table.growTo(3)
  assert.equal((await readUpTo(source, splits, APPENDED[1] ?? '')).lines.length, 200)
})

test('compaction carries no new rows', async () => {
  using table = new GrowingTable('v2_compacted', 6)
  await using source = await openFollowed(table)
  const first = await readUpTo(source, await source.discover(), '2747322978865809490')
  table.growTo(8)
  const rest = await readUpTo(source, first.splits, '4874669666020083306')
  assert.equal(first.lines.length, 180)
  assert.equal(rest.lines.length, 50)
})

test('a snapshot that changes rows halts the job with its id and what to do', async () => {
  using table = new GrowingTable('v2_position_deletes', 2)
  await using source = await openFollowed(table)
  const first = await readUpTo(source, await source.discover(), '6931233693088284126')
  table.growTo(3)
  await assert.rejects(readUpTo(source, first.splits, '4941848322235810392'), {
    code: 'SCHEMA',
    retry: 'halt',
    message: /snapshot 4941848322235810392 \(delete\).*changes: changes/,
  })
})

const CHANGED: readonly [name: string, from: number, to: number, last: string][] = [
  ['v2_position_deletes', 2, 5, '5733459502521092420'],
  ['v2_overwrite', 2, 4, '4329508119689668877'],
  ['v2_equality_deletes', 2, 5, '1143379363041834842'],
  ['v2_compacted', 2, 8, '4874669666020083306'],
]

for (const [name, from, to, last] of CHANGED) {
  test(`the changes of ${name}, applied to its first snapshot, give its last one`, async () => {
    using table = new GrowingTable(name, from)
    await using source = await openFollowed(table, { changes: 'changes' }, ['_change'])
    const splits = await source.discover()
    assert.equal(splits.length, 1)
    table.growTo(to)
    const { lines } = await readUpTo(source, splits, last)
    const rows: string[] = []
    for (const line of lines) {
      const { _change: change, ...row } = JSON.parse(line) as Record<string, unknown>
      const text = JSON.stringify(row)
      if (change === 'insert') rows.push(text)
      else assert.ok(rows.splice(rows.indexOf(text), 1)[0] === text, `${text} was there before it disappeared`)
    }
    await using whole = await OpenedIceberg.open({ table: fixtureTable(name) })
    assert.deepEqual(rows.toSorted(), (await whole.readAll()).map((row) => JSON.stringify(row)).toSorted())
  })
}

test('changes are only given to a plan that looks at them', async () => {
  using table = new GrowingTable('v2_overwrite', 2)
  await using source = await openFollowed(table, { changes: 'changes' })
  assert.throws(() => source.reader(), { code: 'CONFIG', message: /_change/ })
})

/** Stripes that have read everything up to this snapshot. */
async function standingBehind(source: OpenedIceberg, snapshot: string): Promise<readonly SplitAssignment[]> {
  return (await source.discover()).map((split) => ({ ...split, at: { snapshot, done: true } }))
}

test('a snapshot that expired before it was read halts at the start and while running', async () => {
  using table = new GrowingTable('v2_expired', 6)
  await using source = await openFollowed(table)
  const splits = await standingBehind(source, '3245410123509359600')
  const lost = { code: 'POSITION_LOST', retry: 'halt', message: /8009440434574826762.*has expired/ }
  await assert.rejects(source.enumerator().verify(splits), lost)
  await assert.rejects(readUpTo(source, splits, '4876094890888845566'), lost)
})

test('the last snapshot that was read may expire', async () => {
  using table = new GrowingTable('v2_expired', 6)
  await using source = await openFollowed(table)
  const splits = await standingBehind(source, '8009440434574826762')
  await source.enumerator().verify(splits)
  assert.equal((await readUpTo(source, splits, '4876094890888845566')).lines.length, 100)
})

test('a branch that was rolled back behind our position halts', async () => {
  using table = new GrowingTable('v2_rolled_back', 3)
  await using source = await openFollowed(table)
  const first = await readUpTo(source, await source.discover(), '5616294683879624047')
  table.growTo(5)
  await using again = await openFollowed(table)
  await assert.rejects(again.enumerator().verify(first.splits), { code: 'POSITION_LOST', message: /no ancestor/ })
})

test('lag counts the rows that are left', async () => {
  using table = new GrowingTable('v2_append', 3)
  await using source = await openFollowed(table)
  const enumerator = source.enumerator()
  const splits = await enumerator.discover(new Set(), true)
  const lag = await enumerator.lag(splits.map(({ split, at }) => ({ split, next: at })))
  assert.equal(
    [...lag.values()].reduce((sum, rows) => sum + rows, 0),
    200,
  )
})
