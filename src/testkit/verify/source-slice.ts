import { CONNECTOR_MODULES } from '../../connectors/registry.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/index.ts'
import type { Plan, SourceStep } from '../../plan/plan.ts'
import { openSource } from '../../runtime/connectors.ts'
import { storeOpener } from '../../storage/open-store.ts'
import { testLaneContext } from '../lane-context.ts'
import { KeptRows } from './kept-rows.ts'

const DATABASE_MEMORY_BYTES = 192 * 1024 * 1024
/** A source without an end that gives nothing for so long has nothing more. */
const QUIET_MS = 10_000

export interface Slice {
  readonly rows: number
  /** Rows of tables are in Parquet files, JSON rows in lines. */
  readonly isParquet: boolean
  /** Of each split that gave rows. */
  readonly ranges: readonly string[]
}

export interface SliceAsk {
  readonly directory: string
  /** Records altogether. */
  readonly limit: number
  /** The last ones instead of the first. */
  readonly atEnd: boolean
}

/**
 * Copies the first (or the last) records of a source into files. The source is only read: nothing is claimed,
 * acknowledged or committed there, and the pipeline's own state is not touched.
 */
export async function readSlice(step: SourceStep, plan: Plan, ask: SliceAsk): Promise<Slice> {
  await using stack = new AsyncDisposableStack()
  const isParquet = step.gives.kind !== 'bytes'
  let database: Promise<LaneDatabase> | undefined
  stack.defer(async () => (await database)?.close())
  const openDatabase = (): Promise<LaneDatabase> =>
    (database ??= openLaneDatabase({ memoryLimitBytes: DATABASE_MEMORY_BYTES, readablePaths: [`${ask.directory}/`] }))
  const source = await openSource(CONNECTOR_MODULES, step.connector, untilNow(step))
  const context = testLaneContext({
    job: plan.name,
    id: step.id,
    baseDirectory: plan.baseDirectory,
    times: plan.times,
    openStore: storeOpener(plan.s3),
    schema: step.schema,
    format: isParquet ? { kind: 'table' } : { kind: 'bytes', format: 'json', separator: 0x0a },
    database: openDatabase,
  })
  const enumerator = source.enumerator(context)
  stack.defer(() => enumerator.close())
  const reader = source.reader(context)
  stack.defer(() => reader.close())
  const found = await enumerator.discover(new Set(), true)
  const splits = ask.atEnd ? lastOf(step, found, ask.limit) : found
  const kept = new KeptRows(ask.directory, openDatabase)
  await readSome(reader, splits, kept, ask.limit)
  await kept.end()
  const begins = new Map(splits.map(({ split, at }) => [split, JSON.stringify(at)]))
  const ranges = [...kept.counts].map(([split, count]) => `${count} of ${split} from ${begins.get(split)}`)
  return { rows: kept.rows, isParquet, ranges }
}

async function readSome(
  reader: SplitReader,
  splits: readonly SplitAssignment[],
  kept: KeptRows,
  limit: number,
): Promise<void> {
  const open = new Set(splits.map(({ split }) => split))
  const signal = new AbortController().signal
  reader.assign(splits)
  let quietSince = performance.now()
  while (open.size > 0 && kept.rows < limit && performance.now() - quietSince < QUIET_MS) {
    for (const item of await reader.poll(signal)) {
      if (item.kind === 'split-end') open.delete(item.split)
      if (item.kind !== 'batch') continue
      await kept.add(item, limit - kept.rows)
      item.release()
      quietSince = performance.now()
    }
  }
}

/** The options of the source, with the end that there is now where it would be waited for. */
function untilNow({ connector, options, bounded }: SourceStep): JsonObject {
  if (bounded) return options
  if (connector === 'kafka' || connector === 'sls') return { ...options, end: 'latest' }
  return options['follow'] === true ? { ...options, follow: false } : options
}

/** The same number of each partition. */
function lastOf({ id, connector }: SourceStep, splits: readonly SplitAssignment[], limit: number): SplitAssignment[] {
  const share = BigInt(Math.ceil(limit / Math.max(1, splits.length)))
  return splits.map((split) => {
    const [from, end] = [split.at['offset'], split.until?.['offset']]
    if (typeof from !== 'string' || typeof end !== 'string') {
      throw new MillraceError(
        `--rows-from source-end counts back from the end of Kafka topics; the positions of ${id} (${connector}) are no numbers: use --rows-from source`,
        { code: 'CONFIG' },
      )
    }
    const last = BigInt(end) - share
    return last > BigInt(from) ? { ...split, at: { ...split.at, offset: String(last) } } : split
  })
}
