import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CheckpointLog } from '../storage/checkpoint-log.ts'
import { Ledger } from '../storage/ledger.ts'
import { draftOf } from './ledger-drafts.ts'

/** An empty log that several processes may open, and a way to throw it away. */
export interface OpenedLogs extends AsyncDisposable {
  /** The same log as another process sees it. */
  open(): CheckpointLog
}

/** What every implementation of `CheckpointLog` promises. Call it from the implementation's test file. */
export function checkpointLogSuite(name: string, openLogs: () => Promise<OpenedLogs>): void {
  describe(`${name} keeps the promises of a checkpoint log`, () => {
    slotTests(openLogs)
    ledgerTests(openLogs)
  })
}

function slotTests(openLogs: () => Promise<OpenedLogs>): void {
  test('an empty log has no newest slot and no entries', async () => {
    await using logs = await openLogs()
    const log = logs.open()
    assert.equal(await log.newest(), undefined)
    assert.deepEqual(await log.list(0), [])
    assert.equal(await log.read(0), undefined)
  })

  test('slots are listed in order from any one on, and the newest is found', async () => {
    await using logs = await openLogs()
    const log = logs.open()
    for (const seq of [0, 1, 2, 9, 10, 11, 12]) assert.equal(await log.append(seq, entry(`${seq}`)), 'appended')
    assert.equal(await log.newest(), 12)
    assert.deepEqual(await log.list(0), [0, 1, 2, 9, 10, 11, 12])
    assert.deepEqual(await log.list(10), [10, 11, 12])
    assert.deepEqual(await log.list(13), [])
    assert.equal(Buffer.from((await log.read(10)) ?? []).toString(), '10')
  })

  test('a slot is taken once, and keeps its first entry', async () => {
    await using logs = await openLogs()
    const [one, other] = [logs.open(), logs.open()]
    assert.equal(await one.append(3, entry('one')), 'appended')
    assert.equal(await other.append(3, entry('other')), 'exists')
    assert.equal(Buffer.from((await other.read(3)) ?? []).toString(), 'one')
  })

  test('of sixteen writers that want the same slot one gets it, every time', async () => {
    await using logs = await openLogs()
    const writers = Array.from({ length: 16 }, () => logs.open())
    for (let seq = 0; seq < 5; seq++) {
      const outcomes = await Promise.all(writers.map((log, who) => log.append(seq, entry(`${who}`))))
      const winners = outcomes.flatMap((outcome, who) => (outcome === 'appended' ? [who] : []))
      assert.equal(winners.length, 1)
      assert.equal(Buffer.from((await writers[0]?.read(seq)) ?? []).toString(), `${winners[0]}`)
    }
  })

  test('removed slots are empty, and removing empty ones is no error', async () => {
    await using logs = await openLogs()
    const log = logs.open()
    for (const seq of [0, 1, 2]) await log.append(seq, entry('x'))
    await log.remove([0, 2, 7])
    assert.deepEqual(await log.list(0), [1])
    assert.equal(await log.read(2), undefined)
  })
}

function ledgerTests(openLogs: () => Promise<OpenedLogs>): void {
  test('of two processes the later claim wins, and the earlier one is fenced', async () => {
    await using logs = await openLogs()
    const first = await Ledger.claim(logs.open(), 'job', 'a', () => 0)
    await first.publish(draftOf(1))
    const second = await Ledger.claim(logs.open(), 'job', 'b', () => 0)
    assert.equal(second.lineage().newest?.checkpoint, 1)
    await assert.rejects(first.publish(draftOf(2)), { code: 'FENCED' })
    await second.publish(draftOf(2))
    await second.confirm(2)
    await second.end('stopped')
    assert.equal((await Ledger.claim(logs.open(), 'job', 'c', () => 0)).lineage().confirmedUpTo, 2)
  })

  test('a process that slept over many checkpoints and collections of its successor publishes nothing', async () => {
    await using logs = await openLogs()
    const sleeper = await Ledger.claim(logs.open(), 'job', 'a', () => 0)
    const heir = await Ledger.claim(logs.open(), 'job', 'b', () => 0)
    for (let checkpoint = 1; checkpoint <= 6; checkpoint++) {
      await heir.publish(draftOf(checkpoint))
      await heir.confirm(checkpoint)
      await heir.collect(2)
    }
    await assert.rejects(sleeper.publish(draftOf(1)), { code: 'FENCED' })
    await assert.rejects(sleeper.verifyOwnership(), { code: 'FENCED' })
    await heir.publish(draftOf(7))
  })
}

function entry(text: string): Uint8Array {
  return Buffer.from(text)
}
