import path from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { quoteName } from '../../dataplane/index.ts'
import type { Plan, SinkStep, SourceStep } from '../../plan/plan.ts'
import { replayDefinition } from '../../plan/replay-definition.ts'
import { prepareStatePlace, statePlaceOf } from '../../storage/state-place.ts'
import { visibleFiles } from '../../testkit/verify/read-sinks.ts'
import { openPipeline } from '../pipelines.ts'
import { optionsOf, rangesOf, type SplitRange } from '../replay-ranges.ts'
import { runJobs } from '../run.ts'
import type { CheckpointEntry } from '../../checkpoint/entries.ts'
import type { RowComparison } from './compare-rows.ts'
import { linesSql, listOf } from './lines-sql.ts'
import { canonical, hasHeader, isText, sqlType } from './sink-kind.ts'

/** What a confirmed checkpoint has of each partition: from where the job began to where it has come. */
export async function settledRanges(
  sources: readonly SourceStep[],
  plan: Plan,
  settled: CheckpointEntry,
): Promise<readonly SplitRange[]> {
  const ranges = await Promise.all(
    sources.map(async (step) => {
      if (step.connector !== 'kafka' && step.bounded) return []
      const { start = 'earliest' } = step.options
      if (typeof start === 'object' || start === 'latest')
        throw new MillraceError(
          `${step.id} began at ${typeof start === 'object' ? 'offsets' : 'the end'} of its topics: only topics that are read from \`earliest\` or from a time can be compared`,
          { code: 'CONFIG' },
        )
      const time = typeof start === 'number' ? new Date(start).toISOString() : String(start)
      const from = time === 'earliest' ? ({ kind: 'earliest' } as const) : ({ kind: 'time', time } as const)
      return await rangesOf(step, plan, from, { begin: undefined, end: settled })
    }),
  )
  return ranges.flat()
}

export interface ExpectedAsk {
  readonly file: string
  readonly sink: SinkStep
  readonly ranges: readonly SplitRange[]
  readonly directory: string
  readonly signal: AbortSignal
}

/** Runs the pipeline once more over the same ranges, into files beside nothing that matters. */
export async function writeExpected({ file, sink, ranges, directory, signal }: ExpectedAsk): Promise<void> {
  const name = 'millrace-reconcile'
  const bySource = new Map(
    [...new Set(ranges.map(({ source }) => source))].map((id) => {
      return [id, optionsOf(ranges.filter(({ source }) => source === id))] as const
    }),
  )
  const { planned, findings } = await openPipeline(file, 'resolve', (given) => {
    const instead = (id: string, { from, deadLetter, ...options }: JsonObject): JsonObject => ({
      ...(from !== undefined && { from }),
      ...(deadLetter !== undefined && { deadLetter }),
      ...(id === sink.id && sink.connector === 'files' ? options : { connector: 'files', format: 'parquet' }),
      path: path.join(directory, id === sink.id ? 'expected' : id),
      // Dead letters are text.
      ...(id !== sink.id && { format: 'json' }),
    })
    const {
      delivery: _delivery,
      accept: _accept,
      ...replayed
    } = replayDefinition(given, {
      name,
      sink: sink.id,
      to: undefined,
      ranges: bySource,
      instead,
    })
    // One lane: rows of a key stay in their order.
    return { ...replayed, parallelism: 1, checkpoint: { storage: path.join(directory, 'state') } }
  })
  if (planned === undefined) {
    const why = findings.map(({ message }) => message).join('; ')
    throw new MillraceError(`the pipeline cannot be run again for ${sink.id}: ${why}`, { code: 'CONFIG' })
  }
  const { plan } = planned
  const place = statePlaceOf(plan)
  prepareStatePlace(place)
  const nothing = (): void => undefined
  const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  const ended = await runJobs({ plan, place, logger, observe: nothing }, signal)
  if (ended === 'finished') return
  throw new MillraceError('stopped before everything was read', { code: 'INTERRUPTED' })
}

/** The table `expected`: of sinks with a key the newest row of each, without those that are deleted. */
export async function fillExpected(
  comparison: RowComparison,
  sink: SinkStep,
  directory: string,
  key: readonly string[],
): Promise<void> {
  const files = await visibleFiles('files', path.join(directory, 'expected'))
  if (isText(sink)) return void (await comparison.run(`CREATE TABLE expected AS ${linesSql(files, hasHeader(sink))}`))
  if (sink.schema === undefined)
    throw new MillraceError(`the columns of ${sink.id} are not known: give its source a schema`, { code: 'CONFIG' })
  const columns = sink.schema.filter(({ name }) => name !== '__op')
  const values = columns.map(({ name, type }) => `${canonical(quoteName(name), type)} AS ${quoteName(name)}`).join(', ')
  if (files.length === 0) {
    const none = columns.map(({ name, type }) => `CAST(NULL AS ${sqlType(type)}) AS ${quoteName(name)}`).join(', ')
    return void (await comparison.run(`CREATE TABLE expected AS SELECT ${none} WHERE false`))
  }
  const rows = `read_parquet(${listOf(files)}, union_by_name = true, filename = true, file_row_number = true)`
  if (key.length === 0) return void (await comparison.run(`CREATE TABLE expected AS SELECT ${values} FROM ${rows}`))
  const place = ['c(\\d+)-l', 'l\\d+-(\\d+)\\.'].map(
    (part) => `CAST(regexp_extract(filename, '${part}', 1) AS BIGINT) DESC`,
  )
  const version = sink.options['version'] === undefined ? [] : [`${quoteName(String(sink.options['version']))} DESC`]
  const order = [...version, ...place, 'file_row_number DESC'].join(', ')
  const isThere = sink.schema.some(({ name }) => name === '__op') ? 'WHERE "__op" IS DISTINCT FROM 1' : ''
  await comparison.run(`CREATE TABLE expected AS SELECT ${values} FROM (SELECT * FROM ${rows}
    QUALIFY row_number() OVER (PARTITION BY ${key.map(quoteName).join(', ')} ORDER BY ${order}) = 1) ${isThere}`)
}
