/** A system call of the checkpoint log or the sink fails, or the process is killed right at it: nothing is lost or doubled. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import { prepareStrace } from '../../scripts/services/strace.ts'
import { repository } from '../tidy/source-tree.ts'
import { millrace } from './command-line.ts'
import { Chance } from './kit/chance.ts'

const strace = prepareStrace()
const isFull = process.env['MILLRACE_FULL'] === '1'
const chance = Chance.ofThisRun()
const ROWS = 60
/** Strace counts the calls of each thread: the log's thread makes at least so many of each. */
const LOG_CALLS = { fsync: 7, link: 4 } as const
const FAULTS = ['signal=KILL', 'error=EIO', 'error=ENOSPC'] as const
/** `STORE_IO`, or the sink's: said by an exit code, after which a start goes on. */
const STORE_IO = 70

interface Cell {
  readonly call: string
  readonly nth: number
  readonly fault: string
  /** The calls of the log: none of these numbers is missing in any run. */
  readonly isCertain: boolean
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1)
const CERTAIN: readonly Cell[] = FAULTS.flatMap((fault) =>
  Object.entries(LOG_CALLS).flatMap(([call, count]) =>
    upTo(count).map((nth): Cell => ({ call, nth, fault, isCertain: true })),
  ),
)
/** Later calls, calls of others, and any write(2): a position that no failpoint has. */
const MORE: readonly Cell[] = [
  ...FAULTS.flatMap((fault) => upTo(3).map((nth): Cell => ({ call: 'rename', nth, fault, isCertain: false }))),
  ...FAULTS.flatMap((fault) =>
    upTo(12).map((nth): Cell => ({ call: 'fsync', nth: LOG_CALLS.fsync + nth, fault, isCertain: false })),
  ),
  ...upTo(20).map((nth): Cell => ({ call: 'write', nth, fault: 'signal=KILL', isCertain: false })),
]
const CELLS = isFull ? [...CERTAIN, ...MORE] : chance.sample(CERTAIN, 2)

function makeJob(directory: string): void {
  mkdirSync(path.join(directory, 'in'))
  for (const part of [0, 1, 2]) {
    const lines = upTo(ROWS / 3).map((row) => `{"n":${(part * ROWS) / 3 + row}}\n`)
    writeFileSync(path.join(directory, 'in', `${part}.ndjson`), lines.join(''))
  }
  const pipeline = {
    name: 'job',
    checkpoint: { interval: '100ms', storage: './state' },
    sources: { rows: { connector: 'file', path: './in/*.ndjson', format: 'json' } },
    sinks: { out: { from: 'rows', connector: 'files', path: './out', format: 'json' } },
  }
  writeFileSync(path.join(directory, 'job.json'), JSON.stringify(pipeline))
}

/** What a reader of the directory sees: every row, in order. */
function visible(directory: string): number[] {
  const files = globSync('out/*.ndjson', { cwd: directory })
  const lines = files.flatMap((file) => readFileSync(path.join(directory, file), 'utf8').trimEnd().split('\n'))
  return lines.map((line) => (JSON.parse(line) as { n: number }).n).toSorted((a, b) => a - b)
}

async function runWith(
  { call, nth, fault }: Cell,
  directory: string,
): Promise<{ code: number | null; signal: NodeJS.Signals | null; injected: boolean; told: string }> {
  assert.ok('command' in strace)
  const [program = '', ...words] = strace.command
  const trace = path.join(directory, 'trace')
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:${fault}:when=${nth}`]
  const job = [process.execPath, path.join(repository, 'src/cli/main.ts'), 'run', 'job.json']
  // Stopping at these calls only is quicker, but a signal that is sent at such a stop gets lost.
  const quicker = fault.startsWith('error=') ? ['--seccomp-bpf'] : []
  const child = spawn(program, [...words, '-f', ...quicker, '-qq', '-o', trace, ...inject, ...job], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let told = ''
  child.stdout.on('data', (text: Buffer) => void (told += text.toString()))
  child.stderr.on('data', (text: Buffer) => void (told += text.toString()))
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  const injected = signal === 'SIGKILL' || readFileSync(trace, 'utf8').includes('(INJECTED)')
  return { code, signal, injected, told }
}

suite('system calls that fail', { concurrency: 2, skip: 'missing' in strace ? strace.missing : false }, () => {
  for (const cell of CELLS) {
    const { call, nth, fault, isCertain } = cell
    test(`${call} number ${nth}, ${fault}: the next start goes on, every row is there once`, async () => {
      await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-syscalls-'))
      makeJob(home.path)
      const { code, signal, injected, told } = await runWith(cell, home.path)
      if (isCertain) assert.ok(injected, `the call was made:\n${told}`)
      assert.ok(signal === 'SIGKILL' || code === 0 || code === STORE_IO, `it ended with ${code ?? signal}:\n${told}`)
      const before = visible(home.path)
      assert.equal(new Set(before).size, before.length, 'nothing is there twice')

      const next = await millrace(home.path, 'run', 'job.json')
      assert.equal(next.code, 0, next.out + next.err)
      assert.deepEqual(visible(home.path), upTo(ROWS))
      assert.deepEqual(globSync('out/.millrace/**/*.ndjson', { cwd: home.path }), [])
      // Killed behind the very last entry: a start that finds the job finished claims nothing, and so cleans nothing up.
      const isOver = next.out.includes('already finished')
      if (!isOver) assert.deepEqual(globSync('state/job/log/.tmp-*', { cwd: home.path }), [])
    })
  }
})
