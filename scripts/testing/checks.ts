import path from 'node:path'
import { repository, runProgram, stage } from './stage.ts'

const bin = (name: string): string => path.join(repository, 'node_modules', '.bin', name)

/** The checks that need no server, in the order of what an author wants to hear first. */
const CHECKS: readonly { readonly name: string; readonly program: string; readonly args: readonly string[] }[] = [
  { name: 'types', program: bin('tsc'), args: ['-p', '.'] },
  { name: 'lint', program: bin('oxlint'), args: ['--format=unix'] },
  { name: 'format', program: bin('oxfmt'), args: ['--check', '.'] },
  { name: 'dead code', program: bin('knip'), args: ['--no-progress'] },
  { name: 'generated', program: process.execPath, args: [path.join('scripts', 'gen-docs.ts'), '--check'] },
]

/** Runs all checks, two at a time, and says whether every one passed. */
export async function runChecks(signal: AbortSignal): Promise<boolean> {
  const waiting = [...CHECKS]
  let ok = true
  const worker = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const { name, program, args } = check
      ok = (await stage(name, () => runProgram(program, args, signal))) && ok
    }
  }
  await Promise.all([worker(), worker()])
  return ok
}
