import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { loadConnector } from '../connectors/registry.ts'
import type { Redrive } from '../core/connector.ts'
import { MillraceError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { Schema } from '../core/schema.ts'
import type { Plan, SourceStep } from '../plan/plan.ts'
import { retryDefinition } from '../plan/retry-definition.ts'
import { prepareStatePlace, statePlaceOf } from '../storage/state-place.ts'
import type { StoredLetter } from './dlq-letters.ts'
import { openPipeline } from './pipelines.ts'
import { runDerived } from './run-derived.ts'
import type { VerbCall } from './verb.ts'

/** A letter with the bytes that are driven in: its own, or repaired ones. */
export interface Redriven {
  readonly letter: StoredLetter
  readonly raw: Buffer
  /** Written by hand: where the source makes rows of its records, such a row. */
  readonly isRepaired: boolean
}

export interface RetriedJob {
  readonly name: string
  readonly letters: readonly string[]
  readonly class: string
}

export interface Retried {
  readonly jobs: readonly RetriedJob[]
  /** Letters that still cannot be decoded: they are left as they are. */
  readonly left: readonly { readonly id: string; readonly reason: string }[]
}

/**
 * Drives dead letters through the same steps into the same sinks, as jobs of their own: one for each source and attempt.
 * A job is named by the bytes that it reads, so that the same letters, driven in once more, find it finished. Where it was
 * interrupted it goes on.
 */
export async function retryLetters(
  file: string,
  plan: Plan,
  letters: readonly Redriven[],
  call: Pick<VerbCall, 'output' | 'signals'>,
): Promise<Retried> {
  const groups = Map.groupBy(letters, ({ letter }) => `${letter.source}\n${letter.attempt}`)
  const jobs: RetriedJob[] = []
  const left: Retried['left'][number][] = []
  for (const group of groups.values()) {
    const source = sourceOf(plan, group[0]?.letter.source ?? '')
    const redrive = await redriveOf(source, plan)
    const records = await decoded(group, redrive)
    left.push(...records.left)
    if (records.good.length > 0) jobs.push(await retryGroup({ file, plan, source, redrive }, records.good, call))
  }
  return { jobs, left }
}

interface Ask {
  readonly file: string
  readonly plan: Plan
  readonly source: SourceStep
  readonly redrive: Redrive
}

async function retryGroup(
  { file, plan, source, redrive }: Ask,
  group: readonly Redriven[],
  call: Pick<VerbCall, 'output' | 'signals'>,
): Promise<RetriedJob> {
  const ids = group.map(({ letter }) => letter.id)
  const records = redrive.format === 'json' ? group.map(({ raw }) => onOneLine(raw)) : group.map(({ raw }) => raw)
  const bytes = Buffer.concat(records.flatMap((record) => [record, LINE_END]))
  const mark = createHash('sha256').update(ids.join('\n')).update(bytes).digest('hex').slice(0, 8)
  const name = `${plan.name.slice(0, 48)}-retry-${mark}`
  const { letters, empty } = writeInput(plan, mark, redrive, records)
  const sources = plan.steps.flatMap((step) => {
    if (step.kind !== 'source') return []
    const read = step === source ? { path: letters, format: redrive.format } : { path: empty, format: 'json' }
    return [[step.id, { ...read, ...(step.schema && { schema: columnsOf(step.schema) }) }] as const]
  })
  const made = await openPipeline(file, 'resolve', (value) =>
    retryDefinition(value, { name, mark, sources: new Map(sources) }),
  )
  if (made.planned === undefined) {
    const [problem] = made.findings.filter(({ severity }) => severity === 'error')
    throw new MillraceError(`the pipeline cannot read its dead letters: ${problem?.message ?? 'it has mistakes'}`, {
      code: 'CONFIG',
    })
  }
  await runDerived({ ...made.planned.plan, attempt: (group[0]?.letter.attempt ?? 1) + 1 }, call)
  return { name, letters: ids, class: made.planned.plan.delivery.class }
}

function sourceOf(plan: Plan, id: string): SourceStep {
  const source = plan.steps.find((step): step is SourceStep => step.kind === 'source' && step.id === id)
  if (source === undefined) throw new MillraceError(`the pipeline has no source ${id} any more`, { code: 'CONFIG' })
  if (source.tables !== true) return source
  throw new MillraceError(`dead letters of ${id} cannot be driven in again: they are rows of several tables`, {
    code: 'CONFIG',
  })
}

async function redriveOf({ connector, options }: SourceStep, { baseDirectory }: Plan): Promise<Redrive> {
  const source = (await loadConnector(connector))?.source
  return (await source?.openRedrive?.(source.options.parse(options), baseDirectory)) ?? { format: 'json' }
}

/** Records of those letters that can be decoded, and why the others cannot. */
async function decoded(
  group: readonly Redriven[],
  { decode }: Redrive,
): Promise<{ readonly good: readonly Redriven[]; readonly left: Retried['left'] }> {
  if (decode === undefined) return { good: group, left: [] }
  const good: Redriven[] = []
  const left: Retried['left'][number][] = []
  for (const one of group) {
    const result = one.isRepaired ? { row: one.raw } : await decode(one.raw)
    if ('row' in result) good.push({ ...one, raw: Buffer.from(result.row) })
    else left.push({ id: one.letter.id, reason: result.fault })
  }
  return { good, left }
}

function columnsOf(schema: Schema): JsonObject {
  return Object.fromEntries(schema.map(({ name, type, nullable }) => [name, nullable ? type : `${type} not null`]))
}

const LINE_END = Buffer.from('\n')
const QUOTE = 0x22

/** JSON means the same with a blank in place of a line feed. */
function onOneLine(raw: Buffer): Buffer {
  return raw.includes(0x0a) || raw.includes(0x0d)
    ? Buffer.from(raw.map((byte) => (byte === 0x0a || byte === 0x0d ? 0x20 : byte)))
    : raw
}

/** A directory with the records. One whose quotes may not end must not reach into the next: it gets a file of its own. */
function writeInput(
  plan: Plan,
  mark: string,
  { format }: Redrive,
  records: readonly Buffer[],
): { readonly letters: string; readonly empty: string } {
  const place = statePlaceOf(plan)
  prepareStatePlace(place)
  const directory = path.join(place.directory, 'dlq-retry', mark)
  const [letters, empty] = [path.join(directory, 'letters'), path.join(directory, 'empty.ndjson')]
  mkdirSync(letters, { recursive: true, mode: 0o700 })
  const write = (file: string, lines: readonly Buffer[]): void =>
    writeFileSync(file, Buffer.concat(lines.flatMap((line) => [line, LINE_END])), { mode: 0o600 })
  const apart = format === 'json' ? [] : records.filter((record) => record.includes(QUOTE) || record.includes(LINE_END))
  if (format === 'raw' && apart.some((record) => record.includes(LINE_END))) {
    throw new MillraceError('a record with line feeds inside cannot be driven in again as a line', { code: 'CONFIG' })
  }
  const together = records.filter((record) => !apart.includes(record))
  if (together.length > 0) write(path.join(letters, 'records'), together)
  for (const [at, record] of apart.entries()) write(path.join(letters, `record-${at}`), [record])
  write(empty, [])
  return { letters, empty }
}
