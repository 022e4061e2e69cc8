import { kafkaSinkOptions, type KafkaSinkOptions } from '../connectors/kafka/sink/options.ts'
import {
  endOpenTransaction,
  openTransactions,
  type OpenTransaction,
} from '../connectors/kafka/sink/open-transactions.ts'
import { MillraceError } from '../core/errors.ts'
import { formatDuration } from '../core/options.ts'
import type { Plan } from '../plan/plan.ts'
import { ControlClient } from '../server/control-client.ts'
import { statePlaceOf } from '../storage/state-place.ts'
import { readState } from './job-state.ts'
import { openPipeline } from './pipelines.ts'
import { tableText } from './table.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'

interface Listed extends OpenTransaction {
  readonly sink: string
  /** The checkpoint that owns it; null: none does. */
  readonly checkpoint: number | null
}

export const verb: Verb = {
  examples: [
    'millrace transactions clicks.yaml',
    'millrace transactions clicks.yaml --abort-lingering',
    'millrace transactions clicks.yaml --commit millrace_0a1b2c3d_out_4e5f6g7h_0_e3_s1',
  ],
  define(command) {
    command
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .option('--abort-lingering', 'abort those that no checkpoint owns; the next start does so too')
      .option('--commit <id>', 'commit one that a published checkpoint owns, for a job that will not be started again')
  },
  run: transactions,
}

async function transactions({ args, options }: VerbCall): Promise<VerbResult> {
  const loaded = await openPipeline(args[0] ?? '', 'resolve')
  if (loaded.planned === undefined) return { findings: loaded.findings }
  const { plan } = loaded.planned
  const sinks = kafkaSinks(plan)
  if (sinks.size === 0) throw new MillraceError(`${plan.name} has no sink that writes to Kafka`, { code: 'CONFIG' })
  const listed = await list(plan, sinks)
  const chosen = choose(listed, options)
  if (chosen.length > 0) await refuseRunning(plan)
  const commits = typeof options['commit'] === 'string'
  for (const { sink, transactionalId } of chosen) {
    const found = sinks.get(sink)
    if (found !== undefined) await endOpenTransaction(found, transactionalId, commits)
  }
  const ended = chosen.map(({ transactionalId }) => transactionalId)
  const said = ended.map((id) => `${commits ? 'committed' : 'aborted'} ${id}\n`).join('')
  return { result: { transactions: listed, ended }, text: `${textOf(listed)}${said}` }
}

function kafkaSinks(plan: Plan): ReadonlyMap<string, KafkaSinkOptions> {
  const sinks = plan.steps.flatMap((step) => (step.kind === 'sink' && step.connector === 'kafka' ? [step] : []))
  return new Map(sinks.map(({ id, options }) => [id, kafkaSinkOptions.parse(options)]))
}

async function list(plan: Plan, sinks: ReadonlyMap<string, KafkaSinkOptions>): Promise<Listed[]> {
  const { lineage } = await readState(statePlaceOf(plan))
  const owners = new Map(
    lineage.pending.map(({ committable, checkpoint }) => [committable['transactionalId'], checkpoint]),
  )
  const perSink = await Promise.all(
    [...sinks].map(async ([sink, options]) => {
      const open = await openTransactions(options, { job: plan.name, id: sink })
      return open.map((one): Listed => ({ sink, ...one, checkpoint: owners.get(one.transactionalId) ?? null }))
    }),
  )
  return perSink.flat()
}

function choose(listed: readonly Listed[], options: VerbCall['options']): readonly Listed[] {
  const id = options['commit']
  if (typeof id !== 'string')
    return options['abortLingering'] === true ? listed.filter(({ checkpoint }) => checkpoint === null) : []
  const found = listed.find(({ transactionalId }) => transactionalId === id)
  if (found === undefined) throw new MillraceError(`${id} is not open`, { code: 'CONFIG' })
  if (found.checkpoint !== null) return [found]
  const message = `${id} belongs to no published checkpoint: what it holds is read and written again by the next start`
  throw new MillraceError(message, { code: 'CONFIG' })
}

/** Of a running job nearly all of them are what it is writing now. */
async function refuseRunning(plan: Plan): Promise<void> {
  using client = await ControlClient.open(statePlaceOf(plan).directory)
  if (client === undefined) return
  throw new MillraceError(`${plan.name} is running: stop it first (millrace stop)`, { code: 'CONFIG' })
}

function textOf(listed: readonly Listed[]): string {
  if (listed.length === 0) return 'no open transactions\n'
  const now = Date.now()
  const rows = listed.map(({ sink, transactionalId, epoch, checkpoint, startedAtMs, timeoutMs }) => [
    sink,
    transactionalId,
    String(epoch),
    checkpoint === null ? 'none' : String(checkpoint),
    formatDuration(Math.max(0, Math.round((now - startedAtMs) / 1000) * 1000)),
    formatDuration(Math.max(0, Math.round((startedAtMs + timeoutMs - now) / 1000) * 1000)),
  ])
  return tableText([['sink', 'transaction', 'epoch', 'checkpoint', 'open for', 'aborted in'], ...rows])
}
