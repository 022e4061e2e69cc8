/** Pipelines of the bench, run with the real command line. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { median, type Measurement, type StartUp } from './figures.ts'
import { measureProgram } from './measured-program.ts'
import { ROW_BYTES } from './rows.ts'
import type { StoreProcess, TestBed } from './test-bed.ts'

export const MILLRACE: string = fileURLToPath(new URL('../../bin/millrace', import.meta.url))

type Options = Readonly<Record<string, unknown>>

/** A pipeline from `rows` to `out`, with or without the query. */
export interface Pipeline {
  readonly source: Options
  readonly sink: Options
  /** The source tells its columns itself. */
  readonly hasOwnSchema?: boolean
  readonly hasQuery?: boolean
  readonly parallelism?: number
  readonly delivery?: 'exactly-once' | 'at-least-once'
  readonly interval?: string
  /** Bad records go into files of their own. */
  readonly hasDeadLetters?: boolean
  /** Asks the store how many rows it has in the end. */
  readonly count?: () => Promise<number>
}

const COLUMNS = {
  id: 'bigint',
  ts: 'timestamp(3)',
  user_id: 'bigint',
  event: 'varchar',
  page: 'varchar',
  amount: 'decimal(12,2)',
  note: 'varchar',
}

/** A filter that keeps nearly all rows, and one expression. */
const QUERY = 'SELECT id, ts, user_id, upper(event) AS event, page, amount, note FROM rows WHERE amount > 0'

export function writePipeline(directory: string, pipeline: Pipeline): string {
  const file = path.join(directory, 'bench.json')
  const { source, sink, hasQuery = false, parallelism = 1, delivery = 'exactly-once', interval = '10s' } = pipeline
  const letters = pipeline.hasDeadLetters === true
  const value = {
    name: 'bench',
    delivery,
    parallelism,
    sources: {
      rows: {
        ...source,
        ...(pipeline.hasOwnSchema === true ? {} : { schema: COLUMNS }),
        ...(letters ? { deadLetter: { to: 'bad' } } : {}),
      },
    },
    ...(hasQuery ? { transforms: { kept: { from: 'rows', sql: QUERY } } } : {}),
    sinks: {
      out: { from: hasQuery ? 'kept' : 'rows', ...sink },
      ...(letters ? { bad: { connector: 'files', path: './bad', format: 'json' } } : {}),
    },
    // The default would need a Doris server whose limits were raised.
    checkpoint: { interval, maxDowntime: '10m', storage: './state' },
  }
  writeFileSync(file, JSON.stringify(value, undefined, 2))
  return file
}

export async function kafkaSource(bed: TestBed, topic: string, end: 'latest' | 'never' = 'latest'): Promise<Options> {
  return { connector: 'kafka', brokers: await bed.bootstrap(), topics: [topic], end }
}

export function storeSink(store: StoreProcess, table: string, options: Options = {}): Options {
  const { kind, urls, backends } = store
  return { connector: kind, url: urls, backends, database: 'bench', table, ...options }
}

/** Runs a bounded pipeline to its end. Throws when not every row was read, or the store has not what was written. */
export async function runPipeline(bed: TestBed, pipeline: Pipeline, rows: number): Promise<Measurement> {
  const directory = bed.freshDirectory()
  const run = await measureProgram([MILLRACE, 'run', writePipeline(directory, pipeline)], directory)
  const { read, written } = publishedRows(run.out)
  if (read !== rows) throw new Error(`the pipeline read ${read} of ${rows} rows: ${run.out}`)
  const count = rows === 0 ? 0 : await pipeline.count?.()
  if (count !== undefined && count !== written) throw new Error(`the store has ${count} of ${written} rows`)
  const { wallSeconds, cpuSeconds, peakRssBytes, handOverBytes } = run
  return {
    rows,
    bytes: rows * (ROW_BYTES + 1),
    wallSeconds,
    cpuSeconds,
    ...(peakRssBytes === undefined ? {} : { peakRssBytes }),
    ...(handOverBytes === undefined ? {} : { handOverBytes }),
  }
}

/** What the same pipeline takes without a row: the medians of three runs. */
export async function measureStart(bed: TestBed, makePipeline: () => Promise<Pipeline>): Promise<StartUp> {
  const runs: Measurement[] = []
  for (let turn = 0; turn < 3; turn++) runs.push(await runPipeline(bed, await makePipeline(), 0))
  return {
    wallSeconds: median(runs.map((run) => run.wallSeconds)),
    cpuSeconds: median(runs.map((run) => run.cpuSeconds)),
  }
}

interface Published {
  readonly event?: string
  readonly read?: number
  readonly written?: number
}

/** Rows that the job says it read and wrote, by the accounting of its published checkpoints. */
function publishedRows(out: string): { readonly read: number; readonly written: number } {
  const published = out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Published)
    .filter(({ event }) => event === 'published')
  const sum = (of: (one: Published) => number | undefined): number =>
    published.reduce((total, one) => total + (of(one) ?? 0), 0)
  return { read: sum((one) => one.read), written: sum((one) => one.written) }
}
