import path from 'node:path'
import type { CheckpointEntry } from '../checkpoint/entries.ts'
import { MillraceError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { interpolate } from '../plan/interpolate.ts'
import { parseFile } from '../plan/parse-file.ts'
import { keepsState, type Plan, type SinkStep, type SourceStep } from '../plan/plan.ts'
import { reachedFrom, replayDefinition, targetOf } from '../plan/replay-definition.ts'
import { ControlClient } from '../server/control-client.ts'
import { readSavepoints } from '../storage/savepoints.ts'
import { statePlaceOf, type StatePlace } from '../storage/state-place.ts'
import { readState } from './job-state.ts'
import { openPipeline } from './pipelines.ts'
import { formatCount } from './quantities.ts'
import { optionsOf, parseFrom, rangesOf, type ReplayFrom, type SplitRange } from './replay-ranges.ts'
import { runDerived } from './run-derived.ts'
import { tableText } from './table.ts'
import { paint } from './terminal.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

export const verb: Verb = {
  examples: [
    'millrace replay clicks.yaml --from 2026-01-31T08:00:00Z --to clicks_repaired --dry-run',
    'millrace replay clicks.yaml --from checkpoint:41 --to clicks_repaired',
    'millrace replay clicks.yaml --from offset:clicks/0=1200,clicks/1=900 --to clicks_repaired',
  ],
  define(command) {
    command
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .requiredOption(
        '--from <where>',
        'earliest, a time, checkpoint:<number>, or offset:<topic>/<partition>=<offset>,…',
      )
      .option('--to <target>', 'another table (topic, directory) than that of the sink')
      .option('--sink <id>', 'the sink, where the pipeline has several')
      .option('--keyed', 'the target replaces rows by their key: the same rows may be written to it again')
      .option('--name <name>', 'identity of the replay and of its state; default: <pipeline>-replay')
      .option('--dry-run', 'only show what would be read')
  },
  run: (call) => withHint('millrace replay --help', () => replay(call)),
}

async function replay({ args, options, output, signals }: VerbCall): Promise<VerbResult> {
  const file = args[0] ?? ''
  const from = parseFrom(String(options['from']))
  const loaded = await openPipeline(file, 'resolve')
  if (loaded.planned === undefined) return { findings: loaded.findings }
  const { plan } = loaded.planned
  const { value: raw } = await parseFile(file)
  const value = interpolate(raw ?? {}, process.env).value
  const sink = sinkOf(plan, textOf(options['sink']))
  const to = textOf(options['to'])
  const name = textOf(options['name']) ?? `${plan.name}-replay`
  if (name === plan.name) throw new MillraceError('a replay needs a --name of its own', { code: 'CONFIG' })
  const { kept } = reachedFrom(value, sink.id)
  refusePartialState(plan, from)
  const place = statePlaceOf(plan)
  if (to === undefined || isSame(plan, value, sink.id, to)) await refuseDoubled(sink, place, options['keyed'] === true)
  const told = await checkpointsOf(place, from)
  const sources = plan.steps.filter((step): step is SourceStep => step.kind === 'source' && kept.has(step.id))
  const ranges = (await Promise.all(sources.map((step) => rangesOf(step, plan, from, told)))).flat()
  const shown = {
    pipeline: plan.name,
    replay: name,
    sink: sink.id,
    to: to ?? null,
    ranges: ranges.map((one) => ({ ...one })),
  }
  if (options['dryRun'] === true) return { result: { ...shown, ended: null }, text: rangesText(ranges, sink.id, to) }
  output.print(output.isJson ? '' : rangesText(ranges, sink.id, to))
  const bySource = new Map(sources.map(({ id }) => [id, optionsOf(ranges.filter(({ source }) => source === id))]))
  const second = await openPipeline(file, 'resolve', (given) =>
    replayDefinition(given, { name, sink: sink.id, to, ranges: bySource }),
  )
  if (second.planned === undefined) return { findings: second.findings }
  await refuseFinished(second.planned.plan)
  const ended = await runDerived(second.planned.plan, { output, signals })
  return { result: { ...shown, ended } }
}

function sinkOf(plan: Plan, wanted: string | undefined): SinkStep {
  const letters = new Set(Object.values(plan.deadLetters ?? {}).map(({ to }) => to))
  const sinks = plan.steps.filter((step): step is SinkStep => step.kind === 'sink')
  const possible = sinks.filter(({ id }) => (wanted === undefined ? !letters.has(id) : id === wanted))
  const [only] = possible
  if (only !== undefined && possible.length === 1) return only
  const ids = sinks.map(({ id }) => id).join(', ')
  const message =
    wanted === undefined ? `which sink? --sink names one of ${ids}` : `there is no sink ${wanted}, only ${ids}`
  throw new MillraceError(message, { code: 'CONFIG' })
}

/** Whether the other target is the sink's own after all. */
function isSame({ baseDirectory }: Plan, value: JsonObject, sink: string, to: string): boolean {
  const { option, target } = targetOf(value, sink)
  if (option !== 'path' || target.includes('://')) return to === target
  return path.resolve(baseDirectory, to) === path.resolve(baseDirectory, target)
}

/** One that was interrupted goes on where it stood; one that is over has nothing left to do. */
async function refuseFinished(plan: Plan): Promise<void> {
  const { lineage } = await readState(statePlaceOf(plan))
  if (lineage.ended !== 'finished') return
  throw new MillraceError(`the replay ${plan.name} has ended already: give another --name for one more`, {
    code: 'CONFIG',
  })
}

/** What steps keep would begin empty in the middle of the stream. */
function refusePartialState(plan: Plan, from: ReplayFrom): void {
  if (!keepsState(plan) || from.kind === 'earliest') return
  throw new MillraceError(
    'the pipeline keeps state (aggregate, deduplicate), which would begin empty in the middle of the stream: results would be wrong. Replay it with --from earliest.',
    { code: 'CONFIG' },
  )
}

/** The same rows a second time into the same table, or older rows over newer ones. */
async function refuseDoubled({ id, delivery }: SinkStep, place: StatePlace, isKeyed: boolean): Promise<void> {
  if (delivery.class !== 'convergent' && !isKeyed)
    throw new MillraceError(
      `${id} appends: rows that are in its table already would be there twice. Give another table (--to), or say --keyed if the table replaces rows by their key.`,
      { code: 'CONFIG' },
    )
  using client = await ControlClient.open(place.directory)
  if (client === undefined) return
  throw new MillraceError(
    `${place.name} is running: a replay into the same table would put older rows over those that it writes now. Stop it first (millrace stop), or give another table (--to).`,
    { code: 'CONFIG' },
  )
}

async function checkpointsOf(
  place: StatePlace,
  from: ReplayFrom,
): Promise<{ readonly begin: CheckpointEntry | undefined; readonly end: CheckpointEntry | undefined }> {
  const { lineage } = await readState(place)
  const confirmed = lineage.checkpoints.filter(({ checkpoint }) => checkpoint <= lineage.confirmedUpTo)
  const end = confirmed.at(-1)
  if (from.kind !== 'checkpoint') return { begin: undefined, end }
  const known = [...(await readSavepoints(place)), ...confirmed]
  const begin = known.find(({ checkpoint }) => checkpoint === from.checkpoint)
  if (begin !== undefined) return { begin, end }
  const ids = [...new Set(known.map(({ checkpoint }) => checkpoint))].toSorted((a, b) => a - b).join(', ') || 'none'
  throw new MillraceError(
    `${from.checkpoint} is no confirmed checkpoint of ${place.name} that is kept; these are: ${ids}`,
    {
      code: 'CONFIG',
    },
  )
}

function rangesText(ranges: readonly SplitRange[], sink: string, to: string | undefined): string {
  const rows = ranges.map(({ split, from, end, records }) => [split, from, end, formatCount(records)])
  const all = ranges.reduce((sum, { records }) => sum + records, 0)
  return (
    `${paint('bold', `${formatCount(all)} records at most`)}, into ${to ?? 'the same target'} (${sink})\n\n` +
    tableText([['partition', 'from', 'up to', 'records'], ...rows])
  )
}

function textOf(option: unknown): string | undefined {
  return typeof option === 'string' ? option : undefined
}
