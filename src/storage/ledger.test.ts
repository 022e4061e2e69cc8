import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeEntry, encodeEntry, hashOf, type LogEntry } from '../checkpoint/entries.ts'
import { foldLineage, isWorthNoting, sweepScope } from '../checkpoint/lineage.ts'
import { MillraceError } from '../core/errors.ts'
import { draftOf } from '../testkit/ledger-drafts.ts'
import { MemoryLog } from '../testkit/memory-log.ts'
import { isInDoubt, Ledger } from './ledger.ts'

const claim = (log: MemoryLog, nonce: string): Promise<Ledger> => Ledger.claim(log, 'job', nonce, () => 0)
const FENCED = { code: 'FENCED', retry: 'halt' }

test('a life in the log: claim, publish, confirm, end', async () => {
  const log = new MemoryLog()
  const ledger = await claim(log, 'a')
  const permit = await ledger.publish(draftOf(1))
  assert.deepEqual([permit.checkpoint, permit.epoch], [1, 1])
  assert.equal((await ledger.confirm(1)).checkpoint, 1)
  await ledger.end('finished')
  const kinds = (await Ledger.read(log)).map((entry) => entry.kind)
  assert.deepEqual(kinds, ['claim', 'checkpoint', 'confirm', 'finished'])
})

test('a permit to commit is made for published checkpoints only', async () => {
  const ledger = await claim(new MemoryLog(), 'a')
  assert.throws(() => ledger.recommitPermit(1), { code: 'INTERNAL' })
  await ledger.publish(draftOf(1))
  assert.equal(ledger.recommitPermit(1).checkpoint, 1)
})

test('the log of another pipeline is refused', async () => {
  const log = new MemoryLog()
  await claim(log, 'a')
  await assert.rejects(
    Ledger.claim(log, 'other', 'b', () => 0),
    { code: 'CONFIG' },
  )
})

test('whoever is overtaken is fenced at every kind of entry, and learns of it without writing', async () => {
  const acts: ((ledger: Ledger) => Promise<unknown>)[] = [
    (ledger) => ledger.publish(draftOf(2)),
    (ledger) => ledger.confirm(1),
    (ledger) => ledger.decide({ action: 'rewind', void: 1 }, 'me', ''),
    (ledger) => ledger.end('stopped'),
    (ledger) => ledger.reclaim(),
    (ledger) => ledger.verifyOwnership(),
  ]
  for (const act of acts) {
    const log = new MemoryLog()
    const old = await claim(log, 'a')
    await old.publish(draftOf(1))
    await old.verifyOwnership()
    await claim(log, 'b')
    await assert.rejects(act(old), FENCED)
    await assert.rejects(act(old), FENCED, 'and stays fenced')
    assert.equal((await log.list(0)).length, 3)
  }
})

test('a process that slept over many checkpoints and collections of its successor still publishes nothing', async () => {
  const log = new MemoryLog()
  const zombie = await claim(log, 'a')
  await zombie.publish(draftOf(1))
  const heir = await claim(log, 'b')
  for (let checkpoint = 2; checkpoint <= 8; checkpoint++) {
    await heir.publish(draftOf(checkpoint))
    await heir.confirm(checkpoint)
    await heir.collect(3)
  }
  await assert.rejects(zombie.publish(draftOf(2)), FENCED)
  await assert.rejects(zombie.confirm(1), FENCED)
  assert.equal(heir.lineage().newest?.checkpoint, 8)
})

test('an append whose answer was lost counts as done when the entry that stands there is our own', async () => {
  const log = new MemoryLog()
  const ledger = await claim(log, 'a')
  log.onAppend = (seq, bytes) => {
    // The first try landed, its answer did not; the client’s own second try meets it.
    log.slots.set(seq, bytes)
  }
  await ledger.publish(draftOf(1))
  log.onAppend = () => undefined
  await ledger.confirm(1)
  assert.equal((await claim(log, 'b')).lineage().confirmedUpTo, 1)
})

test('an append that failed is not believed: the same entry may be tried again', async () => {
  const log = new MemoryLog()
  const ledger = await claim(log, 'a')
  log.onAppend = () => {
    throw new Error('no')
  }
  await assert.rejects(ledger.publish(draftOf(1)))
  await assert.rejects(ledger.reclaim())
  log.onAppend = () => undefined
  assert.equal(ledger.lineage().newest, undefined)
  assert.equal(ledger.epoch, 1, 'an epoch that was not claimed is not ours')
  await ledger.reclaim()
  await ledger.publish(draftOf(1))
  assert.equal(foldLineage(await Ledger.read(log)).newest?.epoch, 2)
})

test('after an append whose outcome nobody knows, nothing is written until another claim has read the log', async () => {
  const log = new MemoryLog()
  const ledger = await claim(log, 'a')
  log.onAppend = (seq, bytes) => {
    log.slots.set(seq, bytes)
    throw new MillraceError('the store went away', {
      code: 'UNAVAILABLE',
      retry: 'restart',
      detail: { isUnresolved: true },
    })
  }
  const thrown = await ledger.publish(draftOf(1)).catch((error: unknown) => error)
  assert.ok(thrown instanceof MillraceError && isInDoubt(thrown))
  log.onAppend = () => undefined
  await assert.rejects(ledger.reclaim(), thrown)
  await assert.rejects(ledger.publish(draftOf(1)), thrown)
  assert.equal(log.slots.size, 2)
  assert.equal((await claim(log, 'a')).lineage().newest?.checkpoint, 1)
})

const step = fc.record({
  who: fc.nat({ max: 2 }),
  what: fc.constantFrom('publish', 'publish', 'publish', 'confirm', 'claim', 'reclaim', 'collect'),
})

test('of several writers on one log, in any interleaving, only the newest claim ever publishes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(step, { minLength: 5, maxLength: 40 }), async (s, steps) => {
      const log = new MemoryLog()
      log.between = () => s.schedule(Promise.resolve())
      const ledgers = new Map<number, Ledger>()
      let born = 0
      const live = async (who: number): Promise<void> => {
        for (const { what } of steps.filter((one) => one.who === who)) {
          const ledger = ledgers.get(who)
          try {
            if (what === 'claim' || ledger === undefined) ledgers.set(who, await claim(log, `p${born++}`))
            else if (what === 'publish') await ledger.publish(draftOf(ledger.lineage().nextCheckpoint))
            else if (what === 'confirm') await ledger.confirm(ledger.lineage().newest?.checkpoint ?? 0)
            else if (what === 'reclaim') await ledger.reclaim()
            else await ledger.collect(2)
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'FENCED', String(error))
            ledgers.delete(who)
          }
        }
      }
      await s.waitFor(Promise.all([0, 1, 2].map(live)))
      // By slots, collected ones included: each entry belongs to the claim before it, leaving out those that came late.
      let highest = -1
      const late = new Set<number>()
      for (const { seq } of log.history) {
        if (seq < highest) late.add(seq)
        highest = Math.max(highest, seq)
      }
      let nonce = ''
      for (const { seq, bytes } of log.history.toSorted((a, b) => a.seq - b.seq)) {
        const entry = JSON.parse(bytes.toString().split('\n')[0] ?? '') as LogEntry
        if (late.has(seq) && entry.kind === 'claim') continue
        if (entry.kind === 'claim') nonce = entry.nonce
        assert.equal(entry.nonce, nonce)
      }
      log.between = async () => undefined
      assert.ok(foldLineage(await Ledger.read(log)).nextCheckpoint >= 1)
    }),
    { numRuns: 300 },
  )
})

async function filled(): Promise<MemoryLog> {
  const log = new MemoryLog()
  const ledger = await claim(log, 'a')
  await ledger.publish(draftOf(1))
  await ledger.confirm(1)
  return log
}

test('every flipped, missing or added byte is noticed', async () => {
  const log = await filled()
  const bytes = Buffer.from(log.slots.get(1) ?? [])
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x80, 0x20]) {
      const bent = Buffer.from(bytes)
      bent[at] = (bent[at] ?? 0) ^ flip
      assert.throws(() => decodeEntry(bent, 1), { code: 'STORE_CORRUPT' }, `byte ${at}`)
    }
    assert.throws(() => decodeEntry(bytes.subarray(0, at), 1), { code: 'STORE_CORRUPT' }, `cut at ${at}`)
  }
  assert.throws(() => decodeEntry(Buffer.concat([bytes, Buffer.from('\n')]), 1), { code: 'STORE_CORRUPT' })
  log.slots.set(1, bytes.subarray(1))
  await assert.rejects(claim(log, 'b'), { code: 'STORE_CORRUPT' })
})

test('an entry in the wrong slot, of another history, of a newer format or missing between others is refused', async () => {
  const moved = await filled()
  moved.slots.set(3, moved.slots.get(1) ?? Buffer.alloc(0))
  await assert.rejects(claim(moved, 'b'), { code: 'STORE_CORRUPT' })

  const mixed = await filled()
  const other = new MemoryLog()
  await (await claim(other, 'z')).publish(draftOf(1))
  mixed.slots.set(1, other.slots.get(1) ?? Buffer.alloc(0))
  await assert.rejects(claim(mixed, 'b'), { code: 'STORE_CORRUPT', message: /mixed/ })

  const newer = await filled()
  const [entry] = await Ledger.read(newer)
  newer.slots.set(0, encodeEntry({ ...entry, format: 99 } as unknown as LogEntry))
  await assert.rejects(claim(newer, 'b'), { code: 'STORE_CORRUPT', message: /format 99/ })

  // A claim is never collected and nothing after the newest checkpoint is: such a hole is damage.
  for (const [hole, seqs] of [
    ['the first claim', [0]],
    ['a checkpoint without its garbage collector', [1]],
  ] as const) {
    const log = await filled()
    for (const seq of seqs) log.slots.delete(seq)
    await assert.rejects(claim(log, 'b'), { code: 'STORE_CORRUPT' }, hole)
  }
})

test('a starter that slept until its slot was collected claims again, at the end', async () => {
  const log = new MemoryLog()
  const first = await claim(log, 'a')
  await first.publish(draftOf(1))
  let slept = false
  log.onAppendAsync = async (seq) => {
    if (slept || seq !== 2) return
    slept = true
    for (const checkpoint of [1, 2, 3]) {
      if (checkpoint > 1) await first.publish(draftOf(checkpoint))
      await first.confirm(checkpoint)
      await first.collect(1)
    }
  }
  const late = await claim(log, 'b')
  assert.deepEqual([late.epoch, late.lineage().newest?.checkpoint], [2, 3])
  await assert.rejects(first.publish(draftOf(4)), FENCED)
  await late.publish(draftOf(4))
  assert.equal((await claim(log, 'c')).lineage().newest?.checkpoint, 4)
})

test('of two who start at once, the one whose claim is older does not go on', async () => {
  const log = new MemoryLog()
  let other: Promise<Ledger> | undefined
  log.onAppended = async () => {
    if (other !== undefined) return
    other = claim(log, 'b')
    await other
  }
  await assert.rejects(claim(log, 'a'), FENCED)
  await (await other)?.publish(draftOf(1))
})

test('a finished pipeline is not claimed: starts leave nothing behind', async () => {
  const log = await filled()
  const before = await claim(log, 'b')
  await before.end('finished')
  const slots = log.slots.size
  const again = await claim(log, 'c')
  assert.equal(again.lineage().ended, 'finished')
  assert.equal(log.slots.size, slots)
})

/** Starts that publish nothing, each another process; where they swept, the next entry says so. */
async function starts(log: MemoryLog, count: number, isSwept: boolean): Promise<void> {
  for (let start = 0; start < count; start++) {
    const ledger = await claim(log, `start ${log.slots.size}`)
    if (isSwept) ledger.markSwept(ledger.epoch)
    if (isSwept) await ledger.end('stopped')
  }
}

async function publishTwice(log: MemoryLog, nonce: string): Promise<void> {
  const ledger = await claim(log, nonce)
  ledger.markSwept(ledger.epoch)
  for (let turn = 0; turn < 2; turn++) {
    const { nextCheckpoint } = ledger.lineage()
    await ledger.publish(draftOf(nextCheckpoint))
    await ledger.confirm(nextCheckpoint)
    await ledger.collect(2)
  }
}

/** Slots that a start reads in a log of so many earlier ones. */
async function readsAfter(earlier: number): Promise<{ reads: number; listed: number }> {
  const log = new MemoryLog()
  await starts(log, earlier, false)
  await publishTwice(log, 'p')
  log.reads = 0
  log.listed = 0
  const ledger = await claim(log, 'me')
  assert.deepEqual([ledger.epoch, ledger.lineage().nextCheckpoint], [earlier + 2, 3])
  return { reads: log.reads, listed: log.listed }
}

test('what a start reads does not grow with the starts before the checkpoints that are kept', async () => {
  assert.deepEqual(await readsAfter(300), await readsAfter(3))
})

test('what a start reads does not grow with starts that swept and had nothing to publish', async () => {
  const log = new MemoryLog()
  await starts(log, 300, true)
  log.reads = 0
  const ledger = await claim(log, 'me')
  assert.deepEqual([ledger.epoch, ledger.lineage().nextCheckpoint], [301, 1])
  assert.ok(log.reads < 10, `${log.reads} slots were read`)
})

test('starts that sweep and die before they write anything are read no more once a sweep was worth an entry', async () => {
  const log = new MemoryLog()
  let most = 0
  for (let start = 0; start < 100; start++) {
    log.reads = 0
    const ledger = await claim(log, `start ${start}`)
    most = Math.max(most, log.reads)
    const scope = sweepScope(ledger.entries, ledger.epoch)
    ledger.markSwept(scope.below)
    if (isWorthNoting(scope)) await ledger.noteSwept()
  }
  assert.ok(most < 25, `${most} slots were read`)
})

test('starts whose leftovers nobody has swept are read: only they can name what they left', async () => {
  const log = new MemoryLog()
  await publishTwice(log, 'p')
  await starts(log, 30, false)
  const ledger = await claim(log, 'me')
  const runs = sweepScope(ledger.entries, ledger.epoch).runs
  assert.deepEqual(
    runs.map(({ epoch }) => epoch),
    Array.from({ length: 31 }, (_, index) => index + 1),
  )
  for (const run of runs) assert.deepEqual([run.from, run.to], [3, 4])
})

test('thousands of claims that have to be read are read in one pass', async () => {
  const log = new MemoryLog()
  let parent = ''
  for (let seq = 0; seq < 3000; seq++) {
    const head = { format: 2, seq, job: 'job', epoch: seq + 1, nonce: `n${seq}`, parent, at: '' } as const
    const bytes = encodeEntry({ ...head, kind: 'claim', base: 0, clean: 0, next: 1, host: 'h', pid: 1 })
    parent = hashOf(bytes)
    log.slots.set(seq, bytes)
  }
  log.reads = 0
  assert.equal((await claim(log, 'me')).epoch, 3001)
  assert.equal(log.reads, 3000)
})
