import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Plan, Step } from '../plan/plan.ts'
import { openStateDirectory } from '../storage/state-directory.ts'
import { openLocalLog } from '../storage/threaded-log.ts'
import { silentLog } from '../testkit/lane-context.ts'
import { modelPlan } from '../testkit/model/model-plan.ts'
import { shapesOf } from '../testkit/model/tables-sink.ts'
import { visibleRows } from '../testkit/model/two-phase-sink.ts'
import { Job } from './job.ts'
import { systemClock } from './system-clock.ts'

const SPLITS = 3
const ROWS = 70

/** Runs logs of three tables, each of which changes twice, and returns what a reader of the model server sees. */
async function run(
  directory: string,
  breaksAt: number,
): Promise<{ rows: ReturnType<typeof visibleRows>; shapes: Map<string, number> }> {
  const server = join(directory, 'server')
  const log = openLocalLog(openStateDirectory(join(directory, 'state'), 'job'), 'test')
  try {
    await new Job({
      plan: planOf(directory, server, breaksAt),
      connectors: {
        changing: new URL('../testkit/model/changing-source.ts', import.meta.url).href,
        tables: new URL('../testkit/model/tables-sink.ts', import.meta.url).href,
      },
      log,
      logger: silentLog,
      clock: systemClock,
      random: () => 0.5,
      observe: () => undefined,
    }).run()
  } finally {
    await log.close()
  }
  return { rows: visibleRows(server), shapes: shapesOf(server) }
}

function planOf(directory: string, server: string, breaksAt: number): Plan {
  const source = { splits: SPLITS, rows: ROWS, changeEvery: 30 }
  const plan = modelPlan({ directory, source, lanes: 2, intervalMs: 60_000 })
  const steps = plan.steps.map((step): Step => {
    if (step.kind === 'source') return { ...step, connector: 'changing', tables: true }
    if (step.kind === 'sink')
      return { ...step, connector: 'tables', tables: true, options: { directory: server, breaksAt } }
    return step
  })
  return { ...plan, steps }
}

function assertWhole({ rows, shapes }: Awaited<ReturnType<typeof run>>): void {
  const names = Array.from({ length: SPLITS }, (_, at) => `s${at}`)
  const wanted = names.flatMap((name) => Array.from({ length: ROWS }, (_, seq) => `${name}/${seq}`))
  assert.deepEqual(rows.map(({ split, seq }) => `${split}/${seq}`).sort(), wanted.sort())
  assert.deepEqual(shapes, new Map(names.map((name) => [`shop.${name}`, 2])))
}

// The model sink refuses rows whose table has another shape, and changes with rows before them that nobody sees yet.
test('a table changes between the rows before and the rows behind the change, whatever the interval', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-changes-'))
  assertWhole(await run(directory, -1))
  rmSync(directory, { recursive: true })
})

test('a change that the sink followed without anybody hearing of it is met again and is no second one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-changes-'))
  assertWhole(await run(directory, 5))
  rmSync(directory, { recursive: true })
})
