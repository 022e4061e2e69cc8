import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { repository, type StageResult } from './stage.ts'

/** Random schedules; at some 2 900 for a core and minute, the sample takes a little more than a minute on two cores. */
const SAMPLE = 6400
const FULL = 60_000

/**
 * Plays schedules of faults against the engine in virtual time: every protocol step, and a sample of everything. Then the
 * mutants show that the net has no holes.
 */
export async function playSimulation(isFull: boolean, signal: AbortSignal): Promise<StageResult> {
  const seeds = String(isFull ? FULL : SAMPLE)
  const runs: readonly (readonly string[])[] = [
    ['simulate.ts', '--cells'],
    ['simulate.ts', '--seeds', seeds],
    ['mutants.ts'],
  ]
  const said: string[] = []
  for (const [script = '', ...args] of runs) {
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [path.join('scripts', script), ...args], {
        cwd: repository,
        signal,
        maxBuffer: 64 * 1024 * 1024,
      })
      said.push(stdout.trim().split('\n').at(-1) ?? '')
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      return { ok: false, output: stdout + stderr }
    }
  }
  return { ok: true, output: said.join('\n') }
}
