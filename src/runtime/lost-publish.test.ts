/** Appends to the checkpoint log whose outcome nobody can tell, as over object storage that goes away in between. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import type { CheckpointLog } from '../storage/checkpoint-log.ts'
import { openLocalLog } from '../storage/threaded-log.ts'
import { openStateDirectory } from '../storage/state-directory.ts'
import { silentLog } from '../testkit/lane-context.ts'
import { MODEL_CONNECTORS, modelPlan } from '../testkit/model/model-plan.ts'
import { visibleRows } from '../testkit/model/two-phase-sink.ts'
import { Job } from './job.ts'
import { systemClock } from './system-clock.ts'

const SPLITS = 3
const ROWS = 600

/** A log that loses the outcome of one append: `landed` or not, the caller gets the same error. */
function losing(log: CheckpointLog, harm: { nth: number; readonly landed: boolean }): CheckpointLog {
  return {
    ...log,
    append: async (seq, bytes) => {
      harm.nth -= 1
      if (harm.nth !== 0) return await log.append(seq, bytes)
      if (harm.landed) await log.append(seq, bytes)
      throw new MillraceError('the store went away', {
        code: 'UNAVAILABLE',
        retry: 'restart',
        detail: { isUnresolved: true },
      })
    },
  }
}

/** Lives of one process until the source is read to its end. */
async function live(directory: string, harm: { nth: number; readonly landed: boolean }): Promise<number> {
  const plan = modelPlan({
    directory,
    source: { splits: SPLITS, rows: ROWS, batch: 50, pauseMs: 3 },
    lanes: 2,
    intervalMs: 100,
  })
  for (let lives = 1; ; lives++) {
    const local = openLocalLog(openStateDirectory(join(directory, 'state'), 'job'), 'test')
    try {
      const log = losing(local, harm)
      const options = { plan, connectors: MODEL_CONNECTORS, log, logger: silentLog, clock: systemClock }
      await new Job({ ...options, random: () => 0, observe: () => undefined }).run()
      return lives
    } catch (thrown) {
      const { code, retry } = toMillraceError(thrown)
      assert.deepEqual([code, retry], ['UNAVAILABLE', 'restart'], String(thrown))
    } finally {
      await local.close()
    }
  }
}

for (const landed of [true, false]) {
  test(`a job starts over from the log when an append ${landed ? 'landed' : 'did not land'} and its answer is lost`, async () => {
    for (const nth of [3, 4]) {
      const directory = mkdtempSync(join(tmpdir(), 'millrace-lost-'))
      try {
        const lives = await live(directory, { nth, landed })
        const rows = visibleRows(join(directory, 'server'))
        assert.equal(lives, 2, `append ${nth}`)
        assert.equal(rows.length, SPLITS * ROWS, `append ${nth}: no row twice, none lost`)
        assert.equal(new Set(rows.map((row) => `${row.split}/${row.seq}`)).size, SPLITS * ROWS)
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    }
  })
}
