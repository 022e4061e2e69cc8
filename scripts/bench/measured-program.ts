/**
 * Runs a program and measures it from outside. CPU time comes from the shell's `times`, which the kernel fills when the
 * program was waited for: user and system time of all threads, to the very end, with the milliseconds that /proc rounds
 * to ticks of ten. Memory is looked at in /proc while it runs, so that on systems without it those columns stay empty.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { childCpuSeconds } from './figures.ts'
import { killWithUs } from './kill-with-us.ts'

export interface ProgramRun {
  readonly out: string
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly peakRssBytes: number | undefined
  readonly handOverBytes: number | undefined
}

const SCRIPT = '"$@" & child=$!; echo "$child" >&3; wait "$child"; code=$?; times >&3; exit "$code"'
const SAMPLE_MS = 50
/** Whatever takes longer hangs. */
const TIMEOUT_MS = 600_000

/** Runs Node with these arguments to its end. Rejects when it fails. */
export async function measureProgram(args: readonly string[], directory: string): Promise<ProgramRun> {
  const started = performance.now()
  const shell = spawn('bash', ['-c', SCRIPT, 'bench', process.execPath, ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const texts = [1, 2, 3].map((descriptor) => collect(shell.stdio[descriptor] as Readable))
  const [out, err, told] = texts as [{ text: string }, { text: string }, { text: string }]
  const pid = (): number => Number(told.text.split('\n')[0])
  let peakRssBytes: number | undefined
  let handOverBytes: number | undefined
  const sampling = setInterval(() => {
    const seen = memoryOf(pid())
    peakRssBytes = larger(peakRssBytes, seen?.peakRssBytes)
    handOverBytes = larger(handOverBytes, seen?.handOverBytes)
  }, SAMPLE_MS)
  const kill = (): void => void process.kill(pid(), 'SIGKILL')
  killWithUs(shell, kill)
  const limit = setTimeout(kill, TIMEOUT_MS)
  const [code] = (await once(shell, 'close')) as [number | null]
  const wallSeconds = (performance.now() - started) / 1000
  clearInterval(sampling)
  clearTimeout(limit)
  const cpuSeconds = childCpuSeconds(told.text)
  if (code !== 0 || cpuSeconds === undefined)
    throw new Error(`${args.join(' ')} ended with ${code}: ${out.text.slice(-2000)}${err.text.slice(-2000)}`)
  return { out: out.text, wallSeconds, cpuSeconds, peakRssBytes, handOverBytes }
}

export interface MemoryUse {
  readonly rssBytes: number
  readonly peakRssBytes: number
  readonly handOverBytes: number
}

/** What a process holds now; undefined when it is gone or the system has no /proc. */
export function memoryOf(pid: number): MemoryUse | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const kilobytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1])
    const rssBytes = kilobytes('VmRSS') * 1024
    const peakRssBytes = kilobytes('VmHWM') * 1024
    return Number.isNaN(rssBytes) ? undefined : { rssBytes, peakRssBytes, handOverBytes: handOverBytesOf(pid) }
  } catch {
    return undefined
  }
}

/** Hand-over files have no name any more, but the descriptors still say what it was. */
function handOverBytesOf(pid: number): number {
  let bytes = 0
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const link = `/proc/${pid}/fd/${descriptor}`
      if (/\/millrace-[0-9a-f-]+ \(deleted\)$/.test(readlinkSync(link))) bytes += statSync(link).blocks * 512
    } catch {
      // Closed since the directory was read.
    }
  }
  return bytes
}

function collect(stream: Readable): { text: string } {
  const collected = { text: '' }
  stream.setEncoding('utf8').on('data', (text: string) => (collected.text += text))
  return collected
}

function larger(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined ? other : Math.max(one, other ?? 0)
}
