import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Plan } from '../plan/plan.ts'
import { openLocalLog } from '../storage/threaded-log.ts'
import { openStateDirectory } from '../storage/state-directory.ts'
import { visibleRows } from '../testkit/model/two-phase-sink.ts'
import { Job } from './job.ts'
import type { JobEvent } from './observer.ts'
import { systemClock } from './system-clock.ts'

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const connectors = {
  counting: new URL('../testkit/model/counting-source.ts', import.meta.url).href,
  'two-phase': new URL('../testkit/model/two-phase-sink.ts', import.meta.url).href,
}

interface SourceOptions {
  readonly splits: number
  readonly rows: number
  readonly batch?: number
  readonly pauseMs?: number
  readonly failAfter?: number
}

interface World extends Disposable {
  readonly directory: string
  run(source: SourceOptions, writers?: number): Promise<JobEvent[]>
}

function openWorld(): World {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-job-'))
  return {
    directory,
    run: async (source, writers) => {
      const events: JobEvent[] = []
      const log = openLocalLog(openStateDirectory(join(directory, 'state'), 'job'), 'test')
      try {
        const job = new Job({
          plan: planOf(directory, source, writers ?? 'lanes'),
          connectors,
          log,
          logger: silent,
          clock: systemClock,
          random: () => 0.5,
          observe: (event) => events.push(event),
        })
        await job.run()
      } finally {
        await log.close()
      }
      return events
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}

function planOf(directory: string, source: SourceOptions, writers: number | 'lanes'): Plan {
  const delivery = { class: 'atomic', reason: 'test', assumptions: [] } as const
  return {
    name: 'job',
    was: [],
    parallelism: 2,
    delivery,
    mode: 'two-phase',
    times: { intervalMs: 300, timeoutMs: 180_000, maxDowntimeMs: 600_000, retained: 3 },
    storage: join(directory, 'state'),
    baseDirectory: directory,
    fingerprint: 'test',
    findings: [],
    steps: [
      {
        kind: 'source',
        id: 'numbers',
        connector: 'counting',
        options: { ...source },
        bounded: true,
        schema: undefined,
        gives: { kind: 'bytes', format: 'json', separator: 0x0a },
        format: 'json',
        metadata: [],
        delivery,
        outputs: [{ to: 'out' }],
      },
      {
        kind: 'sink',
        id: 'out',
        connector: 'two-phase',
        options: { directory: join(directory, 'server') },
        takes: { kind: 'bytes', format: 'json', separator: 0x0a },
        schema: undefined,
        writers,
        delivery,
      },
    ],
  }
}

function assertComplete(directory: string, splits: number, rows: number): void {
  const seen = new Set(visibleRows(join(directory, 'server')).map((row) => `${row.split}/${row.seq}`))
  assert.equal(visibleRows(join(directory, 'server')).length, splits * rows, 'no row twice, none lost')
  assert.equal(seen.size, splits * rows)
}

test('a bounded job writes every row once, finishes, and a second start has nothing to do', async () => {
  using world = openWorld()
  const events = await world.run({ splits: 3, rows: 1000 })
  assertComplete(world.directory, 3, 1000)
  assert.equal(events.at(-1)?.kind, 'ended')
  const again = await world.run({ splits: 3, rows: 1000 })
  assert.ok(!again.some((event) => event.kind === 'started'))
  assertComplete(world.directory, 3, 1000)
})

test('a source that fails is read again from the last published checkpoint, without a new start', async () => {
  using world = openWorld()
  const events = await world.run({ splits: 4, rows: 3000, batch: 50, pauseMs: 5, failAfter: 40 })
  assert.ok(events.some((event) => event.kind === 'rewinding'))
  assertComplete(world.directory, 4, 3000)
})

test('lanes that share one writer fill one transaction per checkpoint, also over a rewind', async () => {
  using world = openWorld()
  const events = await world.run({ splits: 4, rows: 3000, batch: 50, pauseMs: 5, failAfter: 40 }, 1)
  assertComplete(world.directory, 4, 3000)
  const published = events.filter((event) => event.kind === 'published' && event.accounting.written > 0)
  for (const event of published) assert.equal(event.kind === 'published' ? event.committables.length : 0, 1)
})
