import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { CheckpointEntry } from '../checkpoint/entries.ts'
import { MillraceError } from '../core/errors.ts'
import { interpolate } from '../plan/interpolate.ts'
import { parseFile } from '../plan/parse-file.ts'
import type { LocatedFinding } from '../plan/parsed-file.ts'
import type { Plan, SinkStep, SourceStep } from '../plan/plan.ts'
import { reachedFrom } from '../plan/replay-definition.ts'
import { ControlClient } from '../server/control-client.ts'
import { statePlaceOf } from '../storage/state-place.ts'
import { readState } from './job-state.ts'
import { openPipeline } from './pipelines.ts'
import { formatCount } from './quantities.ts'
import { RowComparison, type Comparison } from './reconcile/compare-rows.ts'
import { fillExpected, settledRanges, writeExpected } from './reconcile/expected-rows.ts'
import { fillFound } from './reconcile/found-rows.ts'
import { placeOf } from './reconcile/sink-kind.ts'
import { refuseUnbounded } from './reconcile/refuse-unbounded.ts'
import type { SplitRange } from './replay-ranges.ts'
import { tableText } from './table.ts'
import { paint } from './terminal.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

export const verb: Verb = {
  examples: ['millrace reconcile clicks.yaml', 'millrace reconcile clicks.yaml --sink lake --json'],
  define(command) {
    command
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .option('--sink <id>', 'only this sink; default: all')
      .option(
        '--key <columns>',
        'the target keeps one row of each key, the newest; default: the option `key` of the sink',
      )
      .option('--query-url <url>', 'of StarRocks and Doris: mysql://host:port of the FE; default: port 9030')
  },
  run: (call) => withHint('millrace reconcile --help', () => reconcile(call)),
}

interface Reconciled extends Comparison {
  readonly sink: string
}

async function reconcile({ args, options, output, signals }: VerbCall): Promise<VerbResult> {
  const file = args[0] ?? ''
  const loaded = await openPipeline(file, 'resolve')
  if (loaded.planned === undefined) return { findings: loaded.findings }
  const { plan } = loaded.planned
  const value = interpolate((await parseFile(file)).value ?? {}, process.env).value
  const place = statePlaceOf(plan)
  // Asked first: a job that ends in between leaves nothing behind what is read of its state then.
  const isRunning = await isAnswering(place.directory)
  const { lineage } = await readState(place)
  const settled = lineage.checkpoints.findLast(({ checkpoint }) => checkpoint <= lineage.confirmedUpTo)
  if (settled === undefined)
    throw new MillraceError(`${plan.name} has confirmed nothing yet: there is nothing to compare`, { code: 'CONFIG' })
  // What came behind the settled checkpoint may be visible or not.
  const isOpen = isRunning || lineage.pending.length > 0
  const reconciled: Reconciled[] = []
  const through: SplitRange[] = []
  for (const sink of sinksOf(plan, options['sink'])) {
    output.live([`comparing ${sink.id}`])
    const { kept } = reachedFrom(value, sink.id)
    const sources = plan.steps.filter((step): step is SourceStep => step.kind === 'source' && kept.has(step.id))
    const ranges = await settledRanges(sources, plan, settled)
    const key = keyOf(sink, options['key'])
    if (isOpen) refuseUnbounded(sink, plan, { sources, ranges, key, isRunning })
    for (const range of ranges) if (!through.some(({ split }) => split === range.split)) through.push(range)
    await using scratch = await mkdtempDisposable(path.join(tmpdir(), 'millrace-reconcile-'))
    const directory = scratch.path
    await writeExpected({ file, sink, ranges, directory, signal: signals().stop })
    using comparison = await RowComparison.open(directory)
    await fillExpected(comparison, sink, directory, key)
    const queryUrl = typeof options['queryUrl'] === 'string' ? options['queryUrl'] : undefined
    const bound = isOpen ? { checkpoint: settled.checkpoint, ranges } : undefined
    await fillFound(comparison, { step: sink, plan, directory, queryUrl, bound })
    reconciled.push({ sink: sink.id, ...(await comparison.compare(placeOf(sink))) })
  }
  output.live([])
  const isEqual = reconciled.every(({ missing, extra }) => missing === 0 && extra === 0)
  const { checkpoint, at } = settled
  const verifiedThrough = isEqual
    ? { checkpoint, at, positions: through.map(({ split, end }) => ({ split, end })) }
    : null
  return {
    result: {
      pipeline: plan.name,
      verifiedThrough,
      sinks: reconciled.map((one) => ({ ...one, ranges: [...one.ranges] })),
    },
    text: reconciledText(reconciled, isEqual, settled, through),
    findings: [...goneFindings(file, through), ...(isEqual ? [] : [mismatch(file, reconciled)])],
  }
}

function sinksOf(plan: Plan, wanted: unknown): SinkStep[] {
  const letters = new Set(Object.values(plan.deadLetters ?? {}).map(({ to }) => to))
  const sinks = plan.steps.filter((step): step is SinkStep => step.kind === 'sink')
  const chosen = sinks.filter(({ id }) => (wanted === undefined ? !letters.has(id) : id === wanted))
  if (chosen.length > 0) return chosen
  throw new MillraceError(`there is no sink ${String(wanted)}, only ${sinks.map(({ id }) => id).join(', ')}`, {
    code: 'CONFIG',
  })
}

function keyOf({ options: { key } }: SinkStep, given: unknown): readonly string[] {
  if (typeof given === 'string') return given.split(',')
  return [key ?? []].flat().map(String)
}

async function isAnswering(directory: string): Promise<boolean> {
  using client = await ControlClient.open(directory)
  return client !== undefined
}

/** Records that were deleted from their topic cannot be read again, while their rows may be in the sink. */
function goneFindings(file: string, ranges: readonly SplitRange[]): LocatedFinding[] {
  const gone = ranges.filter(({ from, end }) => from !== '0' && from !== end)
  if (gone.length === 0) return []
  const places = gone.map(({ split, from }) => `${split} before ${from}`).join(', ')
  const message = `records are not there any more, or were not read: ${places}. Rows made of them count as too many`
  return [{ file, severity: 'warning', code: 'PREFLIGHT', message }]
}

function mismatch(file: string, reconciled: readonly Reconciled[]): LocatedFinding {
  const sinks = reconciled.filter(({ missing, extra }) => missing + extra > 0).map(({ sink }) => sink)
  const message = `${sinks.join(', ')}: rows are missing or too many`
  const hint = 'A row that differs counts on both sides.'
  return { file, severity: 'error', code: 'MISMATCH', message, hint }
}

function reconciledText(
  reconciled: readonly Reconciled[],
  isEqual: boolean,
  { checkpoint, at }: CheckpointEntry,
  through: readonly SplitRange[],
): string {
  const rows = reconciled.map(({ sink, expected, found, missing, extra }) => {
    return [
      sink,
      formatCount(expected.rows),
      formatCount(found.rows),
      formatCount(missing),
      formatCount(extra),
      found.digest,
    ]
  })
  const ranges = reconciled.flatMap(({ sink, ranges: different }) =>
    different.map(({ partition, from, to, missing, extra }) => {
      return [sink, partition, from, to, formatCount(missing), formatCount(extra)]
    }),
  )
  const positions = through.map(({ split, end }) => `${split} up to ${end}`).join(', ')
  const where = `checkpoint ${checkpoint} of ${at}${positions === '' ? '' : `: ${positions}`}`
  return [
    tableText([['sink', 'expected', 'found', 'missing', 'too many', 'digest'], ...rows]),
    '\n',
    ranges.length === 0 ? '' : tableText([['sink', 'partition', 'from', 'to', 'missing', 'too many'], ...ranges]),
    ranges.length === 0 ? '' : '\n',
    isEqual ? paint('green', `verified through ${where}\n`) : paint('red', `not equal, compared through ${where}\n`),
  ].join('')
}
