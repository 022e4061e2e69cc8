import { userInfo } from 'node:os'
import type { CheckpointEntry } from '../checkpoint/entries.ts'
import type { Rollback } from '../checkpoint/rollback.ts'
import { CONNECTOR_MODULES } from '../connectors/registry.ts'
import { MillraceError } from '../core/errors.ts'
import { DecisionDesk } from '../runtime/decision-desk.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { ControlClient } from '../server/control-client.ts'
import { readSavepoints } from '../storage/savepoints.ts'
import { openCheckpointLog, prepareStatePlace, statePlaceOf, type StatePlace } from '../storage/state-place.ts'
import { readState } from './job-state.ts'
import { openPipeline } from './pipelines.ts'
import { formatCount } from './quantities.ts'
import { tableText } from './table.ts'
import { paint, singleLine } from './terminal.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

export const verb: Verb = {
  examples: [
    'millrace rollback clicks.yaml --to 41',
    'millrace rollback clicks.yaml --to 41 --rewind --reason "ticket 4711"',
  ],
  define(command) {
    command
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .requiredOption('--to <number>', 'a confirmed checkpoint or savepoint; millrace checkpoints lists them')
      .option('--rewind', 'do it: rows that are visible are written again; without it, only show what would happen')
      .option('--reason <text>', 'kept in the checkpoint log with your user name')
  },
  run: (call) => withHint('millrace checkpoints lists what a job can go back to', () => rollback(call)),
}

async function rollback({ args, options, output, signals }: VerbCall): Promise<VerbResult> {
  const file = args[0] ?? ''
  const loaded = await openPipeline(file, 'resolve')
  if (loaded.planned === undefined) return { findings: loaded.findings }
  const { plan } = loaded.planned
  const place = statePlaceOf(plan)
  await refuseRunning(place)
  const target = await findTarget(place, String(options['to']))
  prepareStatePlace(place)
  const log = await openCheckpointLog(place, `rollback-${process.pid}`)
  try {
    const say = (message: string): void => output.warn(`${message}\n`)
    const logger = { debug: () => undefined, info: say, warn: say, error: say }
    const { stop: signal } = signals()
    const desk = await DecisionDesk.open({
      plan,
      connectors: CONNECTOR_MODULES,
      log,
      logger,
      clock: systemClock,
      signal,
    })
    await using _desk = desk
    const seen = await desk.lookBack(target)
    if (options['rewind'] !== true) {
      const message = 'nothing was done: rows that are visible would be written again'
      const finding = { file, severity: 'error', code: 'CONFIG', message, hint: 'to do it: --rewind' } as const
      const result = { pipeline: plan.name, rollback: seen, as: null }
      return { result, text: rollbackText(seen), findings: [finding] }
    }
    output.print(rollbackText(seen))
    const reason = typeof options['reason'] === 'string' ? options['reason'] : `back to checkpoint ${seen.to}`
    const as = await desk.rollBack(target, seen, { by: userInfo().username, reason })
    const text = `Gone back: checkpoint ${as} goes on where ${seen.to} ended. Start the job again: millrace run ${singleLine(file)}\n`
    return { result: { pipeline: plan.name, rollback: seen, as }, text }
  } finally {
    await log.close()
  }
}

async function refuseRunning({ name, directory }: StatePlace): Promise<void> {
  using client = await ControlClient.open(directory)
  if (client === undefined) return
  throw new MillraceError(`${name} is running: stop it first (millrace stop)`, { code: 'CONFIG' })
}

/** A confirmed checkpoint that the log still holds, or a savepoint. */
async function findTarget(place: StatePlace, to: string): Promise<CheckpointEntry> {
  const { lineage } = await readState(place)
  const savepoints = await readSavepoints(place)
  const logged = lineage.checkpoints.filter(({ checkpoint }) => checkpoint <= lineage.confirmedUpTo)
  const known = [...savepoints, ...logged]
  const found = known.find(({ checkpoint }) => String(checkpoint) === to)
  if (found !== undefined) return found
  const ids = [...new Set(known.map(({ checkpoint }) => checkpoint))].sort((a, b) => a - b).join(', ') || 'none'
  throw new MillraceError(`${to} is no confirmed checkpoint of ${place.name} that is kept; these are: ${ids}`, {
    code: 'CONFIG',
  })
}

function rollbackText({ to, from, sinks, untold }: Rollback): string {
  const rows = sinks.map(({ sink, duplicated, voided }) => [sink, formatCount(duplicated), formatCount(voided)])
  return [
    `${paint('bold', `from checkpoint ${from} back to ${to}`)}: what was read since is read and written again\n\n`,
    rows.length === 0 ? '' : tableText([['sink', 'duplicated', 'voided'], ...rows]),
    rows.length === 0
      ? ''
      : '\n  duplicated: visible rows that appear a second time, or replace themselves in a table with keys\n',
    rows.length === 0 ? '' : '  voided: prepared rows that are aborted first\n',
    untold === null
      ? ''
      : `  besides, all rows of the checkpoints ${untold.from} to ${untold.to}: the log no longer tells how many\n`,
  ].join('')
}
