/** Iceberg tables into StarRocks and into files: killed on the way and at the end, grown, expired and damaged. */
import assert from 'node:assert/strict'
import { readdirSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { suite, test } from 'node:test'
import type { TestContext } from 'node:test'
import { armed, CELLS, cellText, whyUnreachable, type SinkKind } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { makeRowTable, selectRows } from './kit/iceberg-rows.ts'
import { endedWell, isConfirmed } from './kit/kills.ts'
import { assertBalanced, PipelineHome } from './kit/pipeline-home.ts'
import { filesTarget, startWarehouse, type Target } from './kit/targets.ts'
import { VisibleRows } from './kit/visible-rows.ts'

/** Rows of the data files. */
const COUNTS = [60_000, 9_000, 40_000, 100, 25_000]
const KILLS = process.env['MILLRACE_FULL'] === '1' ? 40 : 4
/** Steps that need a stop, or a commit that goes wrong. */
const SPECIAL = /^(stop|gc|evidence|decision)\b/
const COPY = 'ROW_GROUP_SIZE 6144'

suite('iceberg', { concurrency: 2 }, () => {
  for (const kind of ['starrocks', 'files'] as const) {
    test(`a snapshot arrives in ${kind} once, wherever the job is killed`, async (t) => killedOnTheWay(t, kind))
  }

  test('what a table appends arrives once, over kills and stops', async (t) => {
    const chance = Chance.ofThisRun()
    t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
    await using home = await PipelineHome.create()
    await using target = await startWarehouse('starrocks')
    await using table = await makeRowTable(home.directory)
    writePipeline(home, target, ', follow: true, discoveryInterval: 100ms')
    const counts: number[] = []
    for (let part = 0; part < 4; part++) {
      counts.push(200 + chance.below(9000))
      await table.append([selectRows(part, counts[part] ?? 0)], COPY)
      const cells = CELLS.filter(({ name }) => /^(chk|sink|store\.manifest|commit|confirm)\b/.test(name))
      const [cell] = chance.sample(
        cells.filter((one) => whyUnreachable(one, 'starrocks') === undefined),
        1,
      )
      assert.ok(cell !== undefined)
      await using killed = home.start(armed({ ...cell, nth: 1 + chance.below(2) }, 'kill'))
      const ended = killed.ended()
      await Promise.race([ended, caughtUp(target, counts).catch(() => undefined)])
      killed.signal('SIGKILL')
      await ended
    }
    await using run = home.start()
    await caughtUp(target, counts)
    run.signal('SIGTERM')
    await endedWell(run)
    assert.deepEqual(await visible(target, counts), counts)
    assert.deepEqual(await target.residue(), [])
    assertBalanced(await home.entries())
  })

  test('a snapshot that expired while the job was down ends it with 69', async () => {
    await using home = await PipelineHome.create()
    await using target = filesTarget(home.directory)
    await using table = await makeRowTable(home.directory)
    writePipeline(home, target, ', follow: true, discoveryInterval: 100ms')
    await table.append([selectRows(0, 100)])
    await using first = home.start()
    await first.event(isConfirmed)
    first.signal('SIGTERM')
    await endedWell(first)
    const lost = await table.append([selectRows(1, 100)])
    await table.append([selectRows(2, 100)])
    table.expireTo(1)
    await using second = home.start()
    const { code } = await second.ended()
    assert.equal(code, 69, second.err)
    assert.match(second.err, new RegExp(`POSITION_LOST.*${lost}.*expired`, 's'))
  })

  test('a data file that was cut off ends the job with 71 and its name, and nothing of it is visible', async () => {
    await using home = await PipelineHome.create()
    await using target = filesTarget(home.directory)
    await using table = await makeRowTable(home.directory)
    writePipeline(home, target, '')
    await table.append([selectRows(0, 3000)])
    const [name = ''] = readdirSync(path.join(table.directory, 'data'))
    truncateSync(path.join(table.directory, 'data', name), 2000)
    await using run = home.start()
    const { code } = await run.ended()
    assert.equal(code, 71, run.err)
    assert.match(run.err, new RegExp(`DECODE.*${name}`, 's'))
    assert.deepEqual(await visible(target, [3000]), [0])
  })
})

function writePipeline(home: PipelineHome, target: Target, options: string): void {
  home.write({
    sources: `rows: {connector: iceberg, table: ./table${options}}`,
    sinks: `out: {from: rows, ${target.options}}`,
    parallelism: 3,
  })
}

async function killedOnTheWay(t: TestContext, kind: SinkKind & ('starrocks' | 'files')): Promise<void> {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using home = await PipelineHome.create()
  await using target = kind === 'files' ? filesTarget(home.directory) : await startWarehouse(kind)
  await using table = await makeRowTable(home.directory)
  await table.append(
    COUNTS.map((count, part) => selectRows(part, count)),
    COPY,
  )
  writePipeline(home, target, '')
  const cells = CELLS.filter((cell) => !SPECIAL.test(cell.name) && whyUnreachable(cell, kind) === undefined)
  // In the order of the protocol: what is only done at the end would leave nothing for the others.
  const chosen = chance.sample(cells, KILLS).sort((one, other) => CELLS.indexOf(one) - CELLS.indexOf(other))
  let killed = 0
  for (const cell of chosen) {
    await using run = home.start(armed(cell, 'kill'))
    const { code, signal } = await run.ended()
    if (code === 0) {
      t.diagnostic(`finished before ${cellText(cell)}`)
      break
    }
    assert.equal(signal, 'SIGKILL', `${cellText(cell)}: it ended with ${code}:\n${run.out}${run.err}`)
    killed += 1
    t.diagnostic(`killed at ${cellText(cell)}; readers see ${(await visible(target, COUNTS)).join(' + ')}`)
  }
  assert.ok(killed > 0, `it was never killed, MILLRACE_SEED=${chance.seed}`)
  await using run = home.start()
  await endedWell(run)
  assert.deepEqual(await visible(target, COUNTS), COUNTS)
  assert.deepEqual(await target.residue(), [])
  assertBalanced(await home.entries())
}

/** A file may be shared by several stripes, so its rows need not come in their order: only the counts are asked for. */
async function visible(target: Target, counts: readonly number[]): Promise<number[]> {
  const rows = new VisibleRows(counts)
  await target.read(rows)
  return rows.counts()
}

async function caughtUp(target: Target, counts: readonly number[]): Promise<void> {
  const wanted = counts.join()
  const signal = AbortSignal.timeout(180_000)
  for (let seen = ''; seen !== wanted; seen = (await visible(target, counts)).join()) {
    assert.ok(!signal.aborted, `readers see ${seen} and not ${wanted}`)
    await pause(50)
  }
}
