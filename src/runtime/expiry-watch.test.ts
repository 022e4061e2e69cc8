import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PartDowntime } from '../checkpoint/expiry.ts'
import type { Logger } from '../core/context.ts'
import { ExpiryWatch } from './expiry-watch.ts'
import type { JobEvent } from './observer.ts'

const HOUR = 3_600_000
const PARTS: PartDowntime[] = [{ part: 'out', kind: 'sink', ms: HOUR, what: 'prepared transactions' }]
const ACCOUNTING = { read: 1, copied: 0, filtered: 0, deadLettered: 0, written: 1 }

/** A watch on a clock that the test moves, and what it said: warnings, and what is expiring. */
function watched(
  parts: readonly PartDowntime[],
  pendingMs?: number,
): { watch: ExpiryWatch; warnings: string[]; told: (string | undefined)[]; pass(ms: number): void; timers: number[] } {
  let now = 0
  let next: (() => void) | undefined
  const timers: number[] = []
  const warnings: string[] = []
  const told: (string | undefined)[] = []
  const silent = (): void => undefined
  const logger: Logger = { debug: silent, info: silent, error: silent, warn: (message) => void warnings.push(message) }
  const watch = new ExpiryWatch({
    parts,
    pendingMs,
    logger,
    observe: (event) => {
      if (event.kind === 'expiring') told.push(event.what?.state)
    },
    clock: {
      now: () => now,
      after: (ms, action) => {
        timers.push(ms)
        next = action
        return () => (next = undefined)
      },
    },
  })
  const pass = (ms: number): void => {
    now += ms
    next?.()
  }
  return { watch, warnings, told, pass, timers }
}

const published = (checkpoint: number): JobEvent => {
  return { kind: 'published', checkpoint, accounting: ACCOUNTING, tookMs: 1, committables: [] }
}

test('a job that cannot confirm says so once at half of the time and once at its end', () => {
  const { watch, warnings, told, pass } = watched(PARTS)
  watch.see(published(1))
  pass(HOUR / 2 - 1)
  assert.deepEqual(told, [])
  watch.see(published(2))
  pass(1)
  pass(60_000)
  assert.deepEqual(told, ['half'])
  assert.match(warnings.join(), /nothing was confirmed for 1800 s: prepared transactions of out go after 3600 s/)
  pass(HOUR)
  assert.deepEqual(told, ['half', 'over'])
  watch.see({ kind: 'confirmed', checkpoint: 2, tookMs: 1 })
  assert.deepEqual(told, ['half', 'over', undefined])
  pass(HOUR)
  assert.equal(told.length, 3, 'nothing waits any more')
})

test('what an earlier process left pending counts from when it was published', () => {
  const { watch, told } = watched(PARTS, -HOUR / 2)
  assert.deepEqual(told, ['half'])
  watch.see({ kind: 'restored', from: 3, recommitted: 1 })
  assert.deepEqual(told, ['half', undefined])
})

test('it looks every minute, until it is closed, and not at all where nothing expires', () => {
  const { watch, timers, pass } = watched(PARTS)
  pass(1)
  watch.close()
  pass(1)
  assert.deepEqual(timers, [60_000, 60_000])
  assert.deepEqual(watched([]).timers, [])
})
