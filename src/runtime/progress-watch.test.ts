import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Clock, Logger } from '../core/context.ts'
import { openStateDirectory } from '../storage/state-directory.ts'
import { openLocalLog } from '../storage/threaded-log.ts'
import { realClock } from '../testkit/lane-context.ts'
import { MODEL_CONNECTORS, modelPlan } from '../testkit/model/model-plan.ts'
import { Job } from './job.ts'
import type { JobEvent } from './observer.ts'
import { ProgressWatch, type AskHeadroom, type AskLag } from './progress-watch.ts'
import { systemClock } from './system-clock.ts'

const TIMES = { intervalMs: 10_000, timeoutMs: 20_000, maxDowntimeMs: 0, retained: 3 }

const SILENT: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** Time moves on when somebody sleeps or waits, after the other tasks had their turn. */
function fastClock(): Clock {
  let now = 0
  return {
    ...realClock,
    now: () => now,
    sleep: async (ms, signal) => {
      await new Promise((resolve) => setImmediate(resolve))
      if (signal?.aborted !== true) now += ms
    },
    after: (ms, action) => {
      const turn = setImmediate(() => {
        now += ms
        action()
      })
      return () => clearImmediate(turn)
    },
  }
}

function watched(
  askLag: AskLag,
  askHeadroom?: AskHeadroom,
): { events: JobEvent[]; warnings: string[]; run(polls: number): Promise<void> } {
  const events: JobEvent[] = []
  const warnings: string[] = []
  const logger: Logger = { ...SILENT, warn: (message) => warnings.push(message) }
  const watch = new ProgressWatch((event) => events.push(event), fastClock(), logger, TIMES)
  const run = async (polls: number): Promise<void> => {
    let left = polls
    await watch.poll(async (live) => {
      if (left-- === 0) watch.close()
      return askLag(live)
    }, askHeadroom)
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

test('how long the sources keep what comes next is asked for once a minute', async () => {
  const { events, run } = watched(
    async () => ({}),
    async () => ({ rows: 3600 }),
  )
  await run(25)
  const told = events.filter((event) => event.kind === 'headroom')
  assert.equal(told.length, 3)
  assert.deepEqual(told[0], { kind: 'headroom', seconds: { rows: 3600 } })
})

test('a source that fails or does not answer is no lag, and holds nothing up', async () => {
  const failing = watched(() => Promise.reject(new Error('away')))
  await failing.run(3)
  assert.deepEqual(failing.events, [])
  const silent = watched(() => new Promise(() => undefined))
  await silent.run(3)
  assert.deepEqual(silent.events, [])
})

test('a job asks its sources from its start on', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'millrace-watch-'))
  const plan = modelPlan({ directory: directory.path, source: { splits: 3, rows: 200 }, lanes: 1, intervalMs: 100 })
  const log = openLocalLog(openStateDirectory(plan.storage, plan.name), 'test')
  const lags: unknown[] = []
  const observe = (event: JobEvent): void => void (event.kind === 'lag' && lags.push(event.records))
  const options = { plan, connectors: MODEL_CONNECTORS, log, logger: SILENT, clock: systemClock, random: Math.random }
  await new Job({ ...options, observe }).run()
  await log.close()
  assert.deepEqual(lags[0], { numbers: 600 })
})
