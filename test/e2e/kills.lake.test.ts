/** Files into a Hudi table, without a broker: killed on the way and at the end, read back by hudi-rs. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { armed, CELLS, cellText, whyUnreachable } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { endedWell } from './kit/kills.ts'
import { assertBalanced, PipelineHome } from './kit/pipeline-home.ts'
import { ROW_SCHEMA, rowText } from './kit/rows.ts'
import { hudiTarget } from './kit/targets.ts'
import { VisibleRows } from './kit/visible-rows.ts'

/** Rows of the files; the first two are more than a batch. */
const COUNTS = [70_000, 50_000, 20_000]
const KILLS = 8
/** Steps that need a stop, a long time, or rows of several lanes in one writer. */
const SPECIAL = /^(stop|gc|chk.align)\b/

test('files arrive in a Hudi table once, wherever the job is killed', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using home = await PipelineHome.create()
  await using target = hudiTarget(home.directory)
  mkdirSync(path.join(home.directory, 'in'))
  COUNTS.forEach((count, part) => {
    const lines = Array.from({ length: count }, (_, seq) => `${rowText(part, seq)}\n`)
    writeFileSync(path.join(home.directory, 'in', `${part}.ndjson`), lines.join(''))
  })
  home.write({
    sources: `rows: {connector: file, path: ./in, format: json, schema: ${ROW_SCHEMA}}`,
    transforms: `doubled: {from: rows, sql: 'SELECT part, seq, pad, 2 * seq AS twice FROM rows'}`,
    sinks: `out: {from: doubled, ${target.options}}`,
  })
  const audit = async (): Promise<number[]> => {
    const rows = new VisibleRows(COUNTS)
    await target.read(rows)
    return rows.prefixes()
  }

  const cells = CELLS.filter((cell) => !SPECIAL.test(cell.name) && whyUnreachable(cell, 'hudi') === undefined)
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
    t.diagnostic(`killed at ${cellText(cell)}; readers see ${(await audit()).join(' + ')}`)
  }
  assert.ok(killed > 0, `it was never killed, MILLRACE_SEED=${chance.seed}`)
  await using run = home.start()
  await endedWell(run)
  assert.deepEqual(await audit(), COUNTS)
  assert.deepEqual(await target.residue(), [])
  assertBalanced(await home.entries())
})
