import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { MillraceError } from '../core/errors.ts'
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
}

export interface RetriedJob {
  readonly name: string
  readonly letters: readonly string[]
  readonly class: string
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
): Promise<RetriedJob[]> {
  const groups = Map.groupBy(letters, ({ letter }) => `${letter.source}\n${letter.attempt}`)
  const jobs: RetriedJob[] = []
  for (const group of groups.values()) jobs.push(await retryGroup(file, plan, group, call))
  return jobs
}

async function retryGroup(
  file: string,
  plan: Plan,
  group: readonly Redriven[],
  call: Pick<VerbCall, 'output' | 'signals'>,
): Promise<RetriedJob> {
  const [first] = group
  const source = sourceOf(plan, first?.letter.source ?? '')
  const ids = group.map(({ letter }) => letter.id)
  const bytes = Buffer.concat(group.flatMap(({ raw }) => [onOneLine(raw), Buffer.from('\n')]))
  const mark = createHash('sha256').update(ids.join('\n')).update(bytes).digest('hex').slice(0, 8)
  const name = `${plan.name.slice(0, 48)}-retry-${mark}`
  const { file: input, empty } = writeInput(plan, mark, bytes)
  const schema = Object.fromEntries(
    (source.schema ?? []).map(({ name: column, type, nullable }) => [column, nullable ? type : `${type} not null`]),
  )
  const made = await openPipeline(file, 'resolve', (value) =>
    retryDefinition(value, { name, mark, source: source.id, schema, file: input, empty }),
  )
  if (made.planned === undefined) {
    const [problem] = made.findings.filter(({ severity }) => severity === 'error')
    throw new MillraceError(`the pipeline cannot read its dead letters: ${problem?.message ?? 'it has mistakes'}`, {
      code: 'CONFIG',
    })
  }
  await runDerived({ ...made.planned.plan, attempt: (first?.letter.attempt ?? 1) + 1 }, call)
  return { name, letters: ids, class: made.planned.plan.delivery.class }
}

function sourceOf(plan: Plan, id: string): SourceStep {
  const source = plan.steps.find((step): step is SourceStep => step.kind === 'source' && step.id === id)
  if (source === undefined) throw new MillraceError(`the pipeline has no source ${id} any more`, { code: 'CONFIG' })
  if (source.schema !== undefined && source.format === 'json') return source
  const what = source.schema === undefined ? 'it has no `schema`' : `its records are ${source.format}`
  throw new MillraceError(
    `dead letters of ${id} cannot be driven in again: ${what}; records of JSON with columns can`,
    {
      code: 'CONFIG',
    },
  )
}

/** JSON means the same with a blank in place of a line feed. */
function onOneLine(raw: Buffer): Buffer {
  return raw.includes(0x0a) || raw.includes(0x0d)
    ? Buffer.from(raw.map((byte) => (byte === 0x0a || byte === 0x0d ? 0x20 : byte)))
    : raw
}

function writeInput(plan: Plan, mark: string, bytes: Buffer): { readonly file: string; readonly empty: string } {
  const place = statePlaceOf(plan)
  prepareStatePlace(place)
  const directory = path.join(place.directory, 'dlq-retry', mark)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const [file, empty] = [path.join(directory, 'letters.ndjson'), path.join(directory, 'empty.ndjson')]
  writeFileSync(file, bytes, { mode: 0o600 })
  writeFileSync(empty, '', { mode: 0o600 })
  return { file, empty }
}
