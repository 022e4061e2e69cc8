import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Plan } from '../../plan/plan.ts'
import { Ledger } from '../../storage/ledger.ts'
import { LocalLog } from '../../storage/local-log.ts'
import { COMMIT, isRestoring, type Play } from './plays.ts'
import { compare, readSinks, type SeenRows } from './read-sinks.ts'
import type { StandIn } from './stand-in.ts'

export interface Outcome {
  readonly play: Play
  /** `not passed`: this pipeline never comes by the step, or nothing was sent that could be lost. */
  readonly result: 'held' | 'not passed' | 'broken'
  readonly lost: number
  readonly extra: number
  readonly why?: string
}

const STARTS_MAX = 6
const LIFE_MS = 180_000
const WAKING_MS = 50
/** Exit codes that another start does not mend. */
const NEVER_AGAIN: ReadonlySet<number> = new Set([64, 65, 67, 68, 69, 71, 72, 73, 74])

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

/** Plays faults against one copy of the pipeline and compares what readers see with what they should see. */
export async function playGroup(
  plays: readonly Play[],
  {
    standIn,
    plan,
    program,
    expected,
  }: { standIn: StandIn; plan: Plan; program: string; expected: SeenRows | undefined },
): Promise<{ readonly outcomes: readonly Outcome[]; readonly seen: SeenRows }> {
  const lives = new Lives(standIn, program)
  const passed: boolean[] = []
  for (const play of plays) passed.push(await lives.suffer(play))
  let why = await lives.finish()
  const seen = await readSinks(plan, standIn)
  why ??= await unbalanced(standIn)
  const { lost, extra } = expected === undefined ? { lost: 0, extra: 0 } : compare(expected, seen)
  // What is promised no more than once may come twice.
  const mayRepeat = plan.delivery.class === 'at-least-once'
  const isHeld = why === undefined && lost === 0 && (extra === 0 || mayRepeat)
  const outcomes = plays.map((play, index): Outcome => {
    const isPassed = passed[index] === true && (!isLostCommit(play) || lostOf(standIn) > 0)
    const result = isHeld ? (isPassed ? 'held' : 'not passed') : 'broken'
    return { play, result, lost, extra, ...(why === undefined ? {} : { why }) }
  })
  return { outcomes, seen }
}

/** Whether there was an answer to lose is known at the end. */
function isLostCommit(play: Play): boolean {
  return play.kind === 'lost reply' && play.operation === COMMIT
}

function lostOf({ scratches }: StandIn): number {
  return scratches.values().reduce((sum, { replies }) => sum + (replies?.lost ?? 0), 0)
}

class Lives {
  readonly #standIn: StandIn
  readonly #program: string
  #starts = 0
  /** A checkpoint is published and not committed: a start has something to do. */
  #isRestorable = false

  constructor(standIn: StandIn, program: string) {
    this.#standIn = standIn
    this.#program = program
  }

  /** False when the fault did not come to pass: the pipeline never comes by. */
  async suffer(play: Play): Promise<boolean> {
    switch (play.kind) {
      case 'clean':
        return true
      case 'kill':
        return this.#die(play)
      case 'twin':
        return this.#sleepBesideATwin(play)
      case 'lost reply':
        if (play.operation === COMMIT) {
          for (const { replies } of this.#standIn.scratches.values()) replies?.loseReplies()
          return true
        }
        for (const emulator of this.#standIn.emulators.values()) {
          emulator.addFault({ match: { operation: play.operation }, action: 'drop-reply' })
        }
        return this.#standIn.emulators.size > 0
    }
  }

  async #die({ step, position }: { readonly step: string; readonly position: string }): Promise<boolean> {
    if (isRestoring(step) && !this.#isRestorable) {
      const first = await this.#start('commit:before=kill').ended
      if (first.signal !== 'SIGKILL') return false
      this.#isRestorable = true
    }
    const { signal } = await this.#start(`${step}:${position}=kill`).ended
    return signal === 'SIGKILL'
  }

  async #sleepBesideATwin({ step, position }: { readonly step: string; readonly position: string }): Promise<boolean> {
    const sleeper = this.#start(`${step}:${position}=stop`)
    if (!(await sleeper.asleep())) return false
    await this.#start('').ended
    sleeper.wake()
    await sleeper.ended
    return true
  }

  /** Starts the job until it says that all is done; otherwise why it does not. */
  async finish(): Promise<string | undefined> {
    let last: Ended | undefined
    for (let start = 0; start < STARTS_MAX; start++) {
      last = await this.#start('').ended
      if (last.code === 0) return undefined
      if (last.code !== null && NEVER_AGAIN.has(last.code)) break
    }
    const lines = last?.output.trim().split('\n') ?? []
    const error = lines.findLast((line) => /^[A-Z_]{4,} /.test(line)) ?? lines.at(-1) ?? ''
    return `it ended with ${last?.code ?? last?.signal ?? 'nothing'}: ${error.slice(0, 400)}`
  }

  #start(failpoints: string): { ended: Promise<Ended>; asleep(): Promise<boolean>; wake(): void } {
    const trace = path.join(this.#standIn.directory, `trace-${++this.#starts}`)
    const child = spawn(process.execPath, [this.#program, 'run', this.#standIn.file], {
      env: {
        ...process.env,
        ...this.#standIn.environment,
        MILLRACE_FAILPOINTS: failpoints,
        MILLRACE_FAILPOINT_TRACE: trace,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const hear = (text: Buffer): void => void (output = (output + text.toString()).slice(-4000))
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    const tooLong = setTimeout(() => child.kill('SIGKILL'), LIFE_MS)
    let waking: NodeJS.Timeout | undefined
    const ended = once(child, 'close').then(([code, signal]): Ended => {
      clearTimeout(tooLong)
      clearInterval(waking)
      return { code: code as number | null, signal: signal as NodeJS.Signals | null, output }
    })
    return {
      ended,
      asleep: () => untilThere(trace, () => child.exitCode !== null || child.signalCode !== null),
      // Every thread that comes by the failpoint stops the process once more.
      wake: () => void (waking = setInterval(() => child.kill('SIGCONT'), WAKING_MS)),
    }
  }
}

/** The trace is written just before the process stops. */
async function untilThere(trace: string, hasEnded: () => boolean): Promise<boolean> {
  while (!hasEnded()) {
    if (existsSync(trace) && readFileSync(trace, 'utf8').includes('stop')) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

/** Every row of the sources was read in exactly one published checkpoint. */
async function unbalanced({ directory, rows, file }: StandIn): Promise<string | undefined> {
  const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name: string }
  const state = path.join(directory, 'state', name)
  const log = new LocalLog(state, 'verify')
  const entries = await Ledger.read({
    address: state,
    newest: async () => log.newest(),
    list: async (from) => log.list(from),
    read: async (seq) => log.read(seq),
    append: () => Promise.reject(new Error('verify writes nothing')),
    remove: () => Promise.reject(new Error('verify removes nothing')),
    close: async () => undefined,
  })
  const voided = new Set(
    entries.flatMap((entry) =>
      entry.kind === 'decision' && entry.decision.action === 'rewind' ? [entry.decision.void] : [],
    ),
  )
  const read = entries.reduce(
    (sum, entry) => (entry.kind === 'checkpoint' && !voided.has(entry.checkpoint) ? sum + entry.accounting.read : sum),
    0,
  )
  return read === rows ? undefined : `the checkpoints account for ${read} rows, the sources hold ${rows}`
}
