/**
 * `npm run mutants`: breaks the protocol in every way of test/simulation/mutants.ts; the simulator has to notice each, or the
 * test that the mutant names.
 */
import { execFile } from 'node:child_process'
import { mkdtempDisposableSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { MUTANTS, type Mutant } from '../test/simulation/mutants.ts'
import { FOR_SPEED } from './simulation/players.ts'
import { repository } from './testing/stage.ts'

/** Random schedules that a mutant may live through, after the corpus, before it counts as alive. */
const SEEDS = 1000
const LIMIT_MS = 300_000

const simulation = path.join(repository, 'test', 'simulation')
/** All mutants load the same modules but for one. */
using compiled = mkdtempDisposableSync(path.join(tmpdir(), 'millrace-mutants-'))
const waiting = [...MUTANTS]
const alive: string[] = []

/** How it was noticed; `undefined` when it was not. */
async function hunt({ name, noticedBy }: Mutant): Promise<string | undefined> {
  const args =
    noticedBy === undefined
      ? [...FOR_SPEED, path.join(simulation, 'hunt.ts'), name, String(SEEDS)]
      : ['--import', path.join(simulation, 'load-mutant.ts'), path.join(repository, 'src', noticedBy)]
  const env = { ...process.env, MILLRACE_MUTANT: name, NODE_COMPILE_CACHE: compiled.path }
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: LIMIT_MS, env })
    if (noticedBy !== undefined) return undefined
    const { where, violation } = JSON.parse(stdout) as { where: string; violation: string }
    return `${where}: ${violation}`
  } catch (error) {
    const failed = error as { stdout: string }
    if (noticedBy !== undefined && /^✖ /m.test(failed.stdout)) return noticedBy
    const { stderr, killed } = error as { stderr: string; killed: boolean }
    if (killed) return 'it never came back'
    if (stderr.includes('its piece stands')) throw new Error(stderr, { cause: error })
    return undefined
  }
}

const width = Math.max(...MUTANTS.map(({ name }) => name.length))
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const found = await hunt(mutant)
      if (found === undefined) alive.push(mutant.name)
      process.stdout.write(
        `${found === undefined ? '✖' : '✔'} ${mutant.name.padEnd(width)}  ${found?.split('\n')[0] ?? 'ALIVE'}\n`,
      )
    }
  }),
)
process.stdout.write(
  `\n${MUTANTS.length} mutants, ${alive.length} alive${alive.length === 0 ? '' : `: ${alive.join(', ')}`}\n`,
)
process.exitCode = alive.length === 0 ? 0 : 1
