import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock, Logger } from '../core/context.ts'
import type { JobEvent } from './observer.ts'
import { ProgressWatch, type AskLag } from './progress-watch.ts'

const TIMES = { intervalMs: 10_000, timeoutMs: 20_000, maxDowntimeMs: 0, retained: 3 }

/** Time moves on when somebody sleeps, after the other tasks had their turn. */
function fastClock(): Clock {
  let now = 0
  return {
    now: () => now,
    sleep: async (ms, signal) => {
      await new Promise((resolve) => setImmediate(resolve))
      if (signal?.aborted !== true) now += ms
    },
  }
}

function watched(askLag: AskLag): { events: JobEvent[]; warnings: string[]; run(polls: number): Promise<void> } {
  const events: JobEvent[] = []
  const warnings: string[] = []
  const quiet = (): void => undefined
  const logger: Logger = { debug: quiet, info: quiet, warn: (message) => warnings.push(message), error: quiet }
  const watch = new ProgressWatch((event) => events.push(event), fastClock(), logger, TIMES)
  const run = async (polls: number): Promise<void> => {
    let left = polls
    await watch.poll(async (live) => {
      if (left-- === 0) watch.close()
      return askLag(live)
    })
  }
  return { events, warnings, run }
}

test('the lag is told at every poll, and standing still once', async () => {
  const { events, warnings, run } = watched(async () => ({ rows: 7 }))
  await run(20)
  assert.ok(events.filter((event) => event.kind === 'lag').length > 10)
  assert.deepEqual(
    events.filter((event) => event.kind === 'stall'),
    [{ kind: 'stall', what: 'reading' }],
  )
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /7 records wait at the source/)
})

test('a source that fails or does not answer is no lag, and holds nothing up', async () => {
  const failing = watched(() => Promise.reject(new Error('away')))
  await failing.run(3)
  assert.deepEqual(failing.events, [])
  const silent = watched(() => new Promise(() => undefined))
  await silent.run(3)
  assert.deepEqual(silent.events, [])
})
