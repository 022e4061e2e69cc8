import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { SplitAssignment } from '../../core/source.ts'
import type { AcknowledgePermit } from '../../core/checkpoint-types.ts'
import { appendRows } from '../../testkit/emulators/sls/append-rows.ts'
import { encodeLogGroup } from '../../testkit/emulators/sls/log-group.ts'
import { cursorOf } from '../../testkit/emulators/sls/index.ts'
import { TestedSls } from '../../testkit/sls-source.ts'

const NONE: ReadonlySet<string> = new Set()
const splitsOf = (found: readonly SplitAssignment[]): string[] => found.map(({ split }) => split).sort()

suite('discovery', () => {
  test('start counts for the first one; shards that are found later begin at their beginning', async () => {
    for (const start of ['latest', '2040-01-01T00:00:00Z']) {
      await using sls = await TestedSls.open({ start })
      appendRows(sls.logstore, 0, [{ n: '1' }])
      const enumerator = sls.enumerator()
      const first = await enumerator.discover(NONE, true, NONE)
      assert.deepEqual(
        first.map(({ at }) => at['cursor']),
        [0, 1].map((shard) => cursorOf(sls.logstore.shard(shard).end)),
      )
      sls.logstore.split(0)
      appendRows(sls.logstore, 2, [{ n: '2' }])
      const known = new Set(splitsOf(first))
      const later = await enumerator.discover(known, false, new Set(['logs/0']))
      assert.deepEqual(splitsOf(later), ['logs/2', 'logs/3'])
      assert.equal(later[0]?.at['cursor'], cursorOf(sls.logstore.shard(2).begin))
      assert.equal(enumerator.moment, start)
    }
  })

  test('children wait until all their parents are finished, over splits and merges', async () => {
    await using sls = await TestedSls.open()
    const enumerator = sls.enumerator()
    for (const shard of [0, 1]) appendRows(sls.logstore, shard, [{ n: '1' }])
    sls.logstore.split(0)
    appendRows(sls.logstore, 3, [{ n: '2' }])
    sls.logstore.merge(3)
    const first = await enumerator.discover(NONE, true, NONE)
    assert.deepEqual(splitsOf(first), ['logs/0', 'logs/1'])
    const known = new Set(splitsOf(first))
    assert.deepEqual(await enumerator.discover(known, false, NONE), [])
    const second = await enumerator.discover(known, false, new Set(['logs/0']))
    assert.deepEqual(splitsOf(second), ['logs/2', 'logs/3'])
    const more = new Set([...known, ...splitsOf(second)])
    assert.deepEqual(await enumerator.discover(more, false, new Set(['logs/0', 'logs/3'])), [])
    const third = await enumerator.discover(more, false, new Set(['logs/0', 'logs/1', 'logs/3']))
    assert.deepEqual(splitsOf(third), ['logs/4'])
  })

  test('nobody waits for a parent that has nothing to read, nor with shardOrder: any', async () => {
    await using empty = await TestedSls.open({ start: 'latest' })
    appendRows(empty.logstore, 0, [{ n: '1' }])
    empty.logstore.split(0)
    assert.equal((await empty.enumerator().discover(NONE, true, NONE)).length, 4)
    await using any = await TestedSls.open({ shardOrder: 'any' })
    appendRows(any.logstore, 0, [{ n: '1' }])
    any.logstore.split(0)
    assert.equal((await any.enumerator().discover(NONE, true, NONE)).length, 4)
  })

  test('a bounded read ends where the shards end at its start, and finds nothing later', async () => {
    await using sls = await TestedSls.open({ end: 'latest' })
    appendRows(sls.logstore, 0, [{ n: '1' }])
    const enumerator = sls.enumerator()
    const found = await enumerator.discover(NONE, true)
    assert.equal(found[0]?.until?.['cursor'], cursorOf(sls.logstore.shard(0).end))
    assert.equal(enumerator.discoveryIntervalMs, undefined)
    sls.logstore.split(0)
    assert.deepEqual(await enumerator.discover(new Set(splitsOf(found)), false), [])
  })
})

suite('stored positions', () => {
  test('logs that expired are lost, with their range', async () => {
    await using sls = await TestedSls.open()
    for (const n of ['1', '2', '3']) appendRows(sls.logstore, 0, [{ n }])
    const enumerator = sls.enumerator()
    const splits = await enumerator.discover(NONE, true)
    const { begin } = sls.logstore.shard(0)
    sls.logstore.shard(0).expire(2)
    await assert.rejects(enumerator.verify(splits), {
      code: 'POSITION_LOST',
      exitCode: 69,
      detail: { logstore: 'logs', shard: 0, position: String(begin), first: String(begin + 2n), lost: '2' },
    })
    // Behind what expired nothing is missing.
    const behind = splits.map((split) => ({ ...split, at: { ...split.at, group: split.split === 'logs/0' ? 2 : 0 } }))
    await enumerator.verify(behind)
  })

  test('a shard that ends before the position, or is gone, or was made again, is refused', async () => {
    await using sls = await TestedSls.open()
    for (const n of ['1', '2']) appendRows(sls.logstore, 0, [{ n }])
    const enumerator = sls.enumerator()
    const splits = await enumerator.discover(NONE, true)
    const read = splits.map((split) => ({ ...split, at: { ...split.at, group: split.split === 'logs/0' ? 2 : 0 } }))
    await enumerator.verify(read)
    sls.logstore.shard(0).rollBack(1)
    await assert.rejects(enumerator.verify(read), { code: 'POSITION_AHEAD', exitCode: 69 })
    sls.logstore.drop(1)
    await assert.rejects(enumerator.verify(splits), { code: 'POSITION_LOST', message: /shard 1.*gone/ })
    sls.emulator.service.logstores.clear()
    await assert.rejects(enumerator.verify(splits), { code: 'POSITION_LOST', message: /the logstore was deleted/ })
  })
})

test('lag is counted in log groups', async () => {
  await using sls = await TestedSls.open()
  const enumerator = sls.enumerator()
  const found = await enumerator.discover(NONE, true)
  for (const n of ['1', '2', '3']) appendRows(sls.logstore, 1, [{ n }, { n }])
  const lags = await enumerator.lag(found.map(({ split, at }) => ({ split, next: { ...at, group: 1 } })))
  assert.deepEqual(
    [...lags],
    [
      ['logs/0', 0],
      ['logs/1', 2],
    ],
  )
})

test('headroom is what is left of the retention for the oldest log that is not read', async () => {
  await using sls = await TestedSls.open()
  sls.logstore.ttlDays = 2
  const enumerator = sls.enumerator()
  const found = await enumerator.discover(NONE, true)
  const positions = found.map(({ split, at }) => ({ split, next: at }))
  assert.equal(await enumerator.headroomSeconds?.(positions), undefined)
  const group = encodeLogGroup({ logs: [{ time: 1, contents: [] }] })
  const hourAgo = Math.floor(Date.now() / 1000) - 3600
  sls.logstore.shard(1).append(group, 1, hourAgo)
  const seconds = (await enumerator.headroomSeconds?.(positions)) ?? 0
  assert.ok(Math.abs(seconds - (2 * 86_400 - 3600)) < 60, String(seconds))
})

test('a consumer group is told confirmed cursors, each once, and its refusal stops nothing', async () => {
  await using sls = await TestedSls.open({ reportTo: 'console' })
  const enumerator = sls.enumerator()
  const [first] = await enumerator.discover(NONE, true)
  assert.ok(first !== undefined)
  const permit = { checkpoint: 1 } as AcknowledgePermit
  const positions = [{ split: first.split, next: first.at }]
  await enumerator.acknowledge(positions, permit)
  await enumerator.acknowledge(positions, permit)
  const told = sls.logstore.groups.get('console')?.checkpoints.get(0)
  assert.equal(told?.checkpoint, first.at['cursor'])
  assert.equal(sls.emulator.requests().filter(({ path }) => path.includes('type=checkpoint')).length, 1)
  sls.emulator.addFault({ action: 'error', status: 400, code: 'ParameterInvalid', match: { times: 0 } })
  await enumerator.acknowledge([{ split: first.split, next: { ...first.at, cursor: 'MTI=' } }], permit)
})
