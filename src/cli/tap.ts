import { MillraceError } from '../core/errors.ts'
import { ControlClient } from '../server/control-client.ts'
import { TAP_RECORDS_MAX } from '../server/control-protocol.ts'
import { findJob, type JobPlace } from './job-state.ts'
import { singleLine } from './terminal.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

export const verb: Verb = {
  examples: ['millrace tap clicks.yaml clicks', 'millrace tap clicks.yaml enrich --limit 100 --json'],
  define(command) {
    command
      .argument('<file>', 'pipeline file or state directory')
      .argument('<step>', 'id of the source or transform whose output is shown')
      .option('--limit <records>', `end after so many records (at most ${TAP_RECORDS_MAX})`, '10')
  },
  run: (call) =>
    withHint('millrace status tells whether a job runs, millrace explain which steps it has', () => tap(call)),
}

async function tap({ args, options, output, signals }: VerbCall): Promise<VerbResult> {
  const [file = '', step = ''] = args
  const limit = Number(options['limit'])
  if (!Number.isInteger(limit) || limit < 1 || limit > TAP_RECORDS_MAX) {
    throw new MillraceError(`--limit has to be a number from 1 to ${TAP_RECORDS_MAX}`, { code: 'CONFIG' })
  }
  const place = await findJob(file)
  using client = await openRunning(place)
  const { stop } = signals()
  let isStopped = false
  stop.addEventListener('abort', () => {
    isStopped = true
    client[Symbol.dispose]()
  })
  const records: string[] = []
  try {
    for await (const record of client.tap(step, limit)) {
      if (output.isJson) records.push(record)
      else output.print(`${singleLine(record)}\n`)
    }
  } catch (error) {
    if (!isStopped) throw error
  }
  return { result: { step, records } }
}

/** Throws with what to do when the job does not run. */
export async function openRunning(place: JobPlace): Promise<ControlClient> {
  const client = await ControlClient.open(place.directory)
  if (client !== undefined) return client
  throw new MillraceError(`${place.name} is not running here (nobody listens in ${place.directory})`, {
    code: 'UNAVAILABLE',
  })
}
