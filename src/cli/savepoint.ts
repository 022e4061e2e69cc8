import { savepointOf } from '../checkpoint/savepoint.ts'
import { MillraceError } from '../core/errors.ts'
import { ControlClient } from '../server/control-client.ts'
import { keepSavepoint } from '../storage/savepoints.ts'
import { findJob, readState, type JobPlace } from './job-state.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

const POLL_MS = 100

export const verb: Verb = {
  examples: ['millrace savepoint clicks.yaml', 'millrace savepoint clicks.yaml --timeout 300'],
  define(command) {
    command
      .argument('<file>', 'pipeline file or state directory')
      .option('--timeout <seconds>', 'give up when a running job has confirmed nothing by then', '120')
  },
  run: (call) => withHint('millrace status tells how the job is doing', () => savepoint(call)),
}

/** A running job is asked to cut a checkpoint now; of one that does not run, the newest confirmed one is taken. */
async function savepoint({ args, options, output }: VerbCall): Promise<VerbResult> {
  const seconds = Number(options['timeout'])
  if (!(seconds > 0)) throw new MillraceError('--timeout has to be a number of seconds', { code: 'CONFIG' })
  const place = await findJob(args[0] ?? '')
  const before = (await readState(place)).lineage.confirmedUpTo
  using client = await ControlClient.open(place.directory)
  if (client !== undefined) {
    const { isUnderWay } = (await client.ask({ do: 'checkpoint' })) as { isUnderWay: boolean }
    if (isUnderWay) {
      output.print(`Asked ${place.name} for a checkpoint.\n`)
      await untilConfirmed(place, before, client, seconds * 1000)
    }
  }
  const { lineage } = await readState(place)
  const entry = savepointOf(lineage)
  if (entry === undefined) {
    const hint = lineage.pending.length > 0 ? '; start the job to commit what is pending' : ''
    throw new MillraceError(`${place.name} has no confirmed checkpoint yet${hint}`, { code: 'CONFIG' })
  }
  const outcome = await keepSavepoint(place, entry)
  const { checkpoint } = entry
  const text = `${place.name}: checkpoint ${checkpoint} ${outcome === 'kept' ? 'is kept as' : 'was kept before as'} a savepoint.\n`
  return { result: { name: place.name, checkpoint, publishedAt: entry.at, isNew: outcome === 'kept' }, text }
}

async function untilConfirmed(place: JobPlace, before: number, client: ControlClient, ms: number): Promise<void> {
  const gone = client.untilGone().then(() => true)
  const deadline = performance.now() + ms
  for (;;) {
    const pause = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), POLL_MS))
    const isGone = await Promise.race([gone, pause])
    if ((await readState(place)).lineage.confirmedUpTo > before) return
    if (isGone)
      throw new MillraceError(`${place.name} ended before the checkpoint was confirmed`, { code: 'INTERRUPTED' })
    if (performance.now() > deadline) {
      throw new MillraceError(`${place.name} confirmed no checkpoint within ${ms / 1000} s`, { code: 'UNAVAILABLE' })
    }
  }
}
