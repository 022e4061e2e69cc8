import { ERROR_CODES, type ErrorCode } from '../core/error-codes.ts'
import { MillraceError } from '../core/errors.ts'
import { ControlClient } from '../server/control-client.ts'
import { findJob, readState, type JobPlace } from './job-state.ts'
import type { RunStatus } from './run-progress.ts'
import { readReport } from './run-records.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

/** The process lives a little longer than its socket. */
const LAST_STEPS_MS = 5000

export const verb: Verb = {
  examples: ['millrace stop clicks.yaml', 'millrace stop clicks.yaml --timeout 300'],
  define(command) {
    command
      .argument('<file>', 'pipeline file or state directory')
      .option('--timeout <seconds>', 'give up waiting after this time; the job goes on stopping', '120')
  },
  run: (call) => withHint('millrace status tells how the job is doing', () => stop(call)),
}

async function stop({ args, options, output }: VerbCall): Promise<VerbResult> {
  const seconds = Number(options['timeout'])
  if (!(seconds > 0)) throw new MillraceError('--timeout has to be a number of seconds', { code: 'CONFIG' })
  const place = await findJob(args[0] ?? '')
  using client = await ControlClient.open(place.directory)
  if (client === undefined) {
    return { result: { name: place.name, was: 'not running' }, text: `${place.name} is not running.\n` }
  }
  const { pid } = (await client.ask({ do: 'status' })) as RunStatus
  await client.ask({ do: 'stop' })
  output.print(`Asked ${place.name} (process ${pid}) to stop at a checkpoint.\n`)
  await within(seconds * 1000, untilGone(client, pid), place.name)
  return await outcomeOf(place)
}

async function untilGone(client: ControlClient, pid: number): Promise<void> {
  await client.untilGone()
  const deadline = performance.now() + LAST_STEPS_MS
  while (isAlive(pid) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50))
}

/** In another process namespace nobody has this id: then the closed socket was all that can be known. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function within(ms: number, work: Promise<void>, name: string): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(
      new MillraceError(
        `${name} still runs ${ms / 1000} s after it was asked to stop; it goes on stopping. Ending it with a signal is safe: what is published is committed at the next start`,
        { code: 'UNAVAILABLE' },
      ),
    )
  }, ms)
  try {
    await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** 0 when the log says that it stopped or finished; otherwise the code of what halted it. */
async function outcomeOf(place: JobPlace): Promise<Awaited<ReturnType<Verb['run']>>> {
  const { lineage } = await readState(place)
  if (lineage.ended !== undefined) {
    const at = lineage.newest === undefined ? '' : ` at checkpoint ${lineage.newest.checkpoint}`
    const result = { name: place.name, was: lineage.ended, checkpoint: lineage.newest?.checkpoint ?? null }
    return { result, text: `${place.name} ${lineage.ended}${at}.\n` }
  }
  const report = readReport(place.directory)
  const isKnown = report !== undefined && Object.hasOwn(ERROR_CODES, report.code)
  const why = report === undefined ? 'it was ended before a last checkpoint' : report.message
  throw new MillraceError(`${place.name} ended without stopping at a checkpoint: ${why}`, {
    code: isKnown ? (report.code as ErrorCode) : 'INTERRUPTED',
  })
}
