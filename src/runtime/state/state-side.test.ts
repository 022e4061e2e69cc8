/** What becomes of files of kept state that no checkpoint names any more. */
import assert from 'node:assert/strict'
import { mkdtempDisposable, mkdir, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { foldLineage } from '../../checkpoint/lineage.ts'
import { savepointOf } from '../../checkpoint/savepoint.ts'
import type { StateByStep } from '../../checkpoint/kept-state.ts'
import type { AggregateStep, Plan } from '../../plan/plan.ts'
import { Ledger } from '../../storage/ledger.ts'
import { keepSavepoint } from '../../storage/savepoints.ts'
import { statePlaceOf } from '../../storage/state-place.ts'
import { realClock, silentLog } from '../../testkit/lane-context.ts'
import { draftOf } from '../../testkit/ledger-drafts.ts'
import { MemoryLog } from '../../testkit/memory-log.ts'
import { modelPlan } from '../../testkit/model/model-plan.ts'
import { StateSide } from './state-side.ts'

const WORK: AggregateStep['work'] = {
  id: 'agg',
  input: [],
  groupBy: [],
  lateness: 0,
  parts: [],
  calls: [],
  results: [],
  output: [],
  definition: 'd',
}
const STEP: AggregateStep = { kind: 'aggregate', id: 'agg', work: WORK, outputs: [] }

function stateOf(...paths: string[]): StateByStep {
  const files = paths.map((path) => ({ path, bytes: 1, rows: 1, sha256: '' }))
  return { agg: { definition: 'd', parts: [{ groups: [0, 128], files }] } }
}

test('files go with the last checkpoint that names them, and those that none ever named at the next start', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'millrace-state-'))
  const model = modelPlan({ directory: directory.path, source: {}, lanes: 1, intervalMs: 1 })
  const plan: Plan = { ...model, steps: [...model.steps, STEP] }
  const root = join(statePlaceOf(plan).directory, 'state')
  const make = async (path: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), 'x')
  }
  const found = async (): Promise<string[]> => {
    const names = await readdir(root, { recursive: true })
    return names.filter((name) => name.endsWith('.parquet')).sort()
  }
  const log = new MemoryLog()
  await Ledger.claim(log, 'job', 'earlier', Date.now)
  const ledger = await Ledger.claim(log, 'job', 'me', Date.now)
  const side = new StateSide({ plan, ledger, logger: silentLog, clock: realClock })
  side.begin()
  const publish = async (checkpoint: number, ...paths: string[]): Promise<void> => {
    for (const path of paths) await make(path)
    await ledger.publish({ ...draftOf(checkpoint, []), state: stateOf(...paths) })
    await ledger.confirm(checkpoint)
    await ledger.collect(2)
    await side.collect()
  }
  await make('e1/c1-agg-l0.parquet')
  await make('e2/c4-agg-l0.parquet')
  await publish(1, 'e2/c1-agg-l0.parquet')
  assert.deepEqual(await found(), ['e2/c1-agg-l0.parquet', 'e2/c4-agg-l0.parquet'], 'our own may be under way')
  await publish(2, 'e2/c1-agg-l0.parquet', 'e2/c2-agg-l0.parquet')
  const savepoint = savepointOf(foldLineage(ledger.entries))
  assert.ok(savepoint !== undefined)
  await keepSavepoint(statePlaceOf(plan), savepoint)
  await publish(3, 'e2/c3-agg-l0.parquet')
  await publish(4, 'e2/c4-agg-l0.parquet')
  await publish(5, 'e2/c5-agg-l0.parquet')
  const kept = ['e2/c1-agg-l0.parquet', 'e2/c2-agg-l0.parquet', 'e2/c4-agg-l0.parquet', 'e2/c5-agg-l0.parquet']
  assert.deepEqual(await found(), kept, 'two checkpoints are retained, and a savepoint')
})
