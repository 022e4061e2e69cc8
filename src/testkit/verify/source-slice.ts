import { CONNECTOR_MODULES } from '../../connectors/registry.ts'
import type { Batch, SplitId } from '../../core/batch.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/index.ts'
import type { Plan, SourceStep } from '../../plan/plan.ts'
import { openSource } from '../../runtime/connectors.ts'
import { storeOpener } from '../../storage/open-store.ts'
import { testLaneContext } from '../lane-context.ts'
import { KeptRows } from './kept-rows.ts'
import { metadataColumns } from './metadata-columns.ts'
import { lastByCount, lastByOffset, logstoreEnds, type SlicePart } from './source-end.ts'

const DATABASE_MEMORY_BYTES = 192 * 1024 * 1024
/** Those whose option `end` says `latest` for what is there now; others say so with `follow`. */
const HAVE_END = ['kafka', 'sls', 'mysql', 'postgres', 'tidb']
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
  const { directory, limit } = ask
  const isParquet = step.gives.kind !== 'bytes'
  const format = step.format === 'csv' ? 'csv' : 'json'
  let database: Promise<LaneDatabase> | undefined
  stack.defer(async () => (await database)?.close())
  const openDatabase = (): Promise<LaneDatabase> =>
    (database ??= openLaneDatabase({ memoryLimitBytes: DATABASE_MEMORY_BYTES, readablePaths: [`${directory}/`] }))
  const context = testLaneContext({
    job: plan.name,
    id: step.id,
    baseDirectory: plan.baseDirectory,
    times: plan.times,
    openStore: storeOpener(plan.s3),
    schema: step.schema,
    metadata: step.metadata,
    format: isParquet ? { kind: 'table' } : { kind: 'bytes', format, separator: 0x0a },
    database: openDatabase,
  })
  const open = async (options: JsonObject): Promise<OpenedSource> => {
    const source = await openSource(CONNECTOR_MODULES, step.connector, options)
    const enumerator = source.enumerator(context)
    stack.defer(() => enumerator.close())
    const reader = source.reader(context)
    stack.defer(() => reader.close())
    return { reader, splits: await enumerator.discover(new Set(), true) }
  }
  const { reader, parts } = await partsOf(step, ask, open)
  const kept = new KeptRows({ directory, database: openDatabase, format, metadata: await metadataColumns(step) })
  const skips = new Map(parts.map(({ assignment, skip }) => [assignment.split, skip]))
  await readSome(reader, splitsOf(parts), async (batch) => {
    const skip = skips.get(batch.split) ?? 0
    skips.set(batch.split, Math.max(0, skip - batch.rows))
    await kept.add(batch, skip, limit - kept.rows)
    return kept.rows < limit
  })
  await kept.end()
  const begins = new Map(parts.map(({ assignment: { split, at }, skip }) => [split, placeText(at, skip)]))
  const ranges = [...kept.counts].map(([split, count]) => `${count} of ${split} from ${begins.get(split)}`)
  return { rows: kept.rows, isParquet, ranges }
}

interface OpenedSource {
  readonly reader: SplitReader
  readonly splits: readonly SplitAssignment[]
}

/** The splits with what is wanted of them. */
async function partsOf(
  step: SourceStep,
  { limit, atEnd }: SliceAsk,
  open: (options: JsonObject) => Promise<OpenedSource>,
): Promise<{ readonly reader: SplitReader; readonly parts: readonly SlicePart[] }> {
  const options = untilNow(step)
  if (atEnd && step.connector === 'sls') {
    let parts: readonly SlicePart[] = []
    for (const end of logstoreEnds(options, Date.now())) {
      const { reader, splits } = await open(end)
      const counts = await countRows(reader, splits)
      parts = lastByCount(splits, counts, limit)
      if ([...counts.values()].reduce((sum, count) => sum + count, 0) >= limit) break
    }
    return { reader: (await open(options)).reader, parts }
  }
  const { reader, splits } = await open(options)
  if (atEnd) return { reader, parts: lastByOffset(step, splits, limit) }
  return { reader, parts: splits.map((assignment) => ({ assignment, skip: 0 })) }
}

async function countRows(reader: SplitReader, splits: readonly SplitAssignment[]): Promise<Map<SplitId, number>> {
  const counts = new Map<SplitId, number>()
  await readSome(reader, splits, async ({ split, rows }) => {
    counts.set(split, (counts.get(split) ?? 0) + rows)
    return true
  })
  return counts
}

/** Until all splits have ended, or `take` has enough. */
async function readSome(
  reader: SplitReader,
  splits: readonly SplitAssignment[],
  take: (batch: Batch) => Promise<boolean>,
): Promise<void> {
  const open = new Set(splits.map(({ split }) => split))
  const signal = new AbortController().signal
  reader.assign(splits)
  let quietSince = performance.now()
  for (let isWanting = true; isWanting && open.size > 0 && performance.now() - quietSince < QUIET_MS;) {
    for (const item of await reader.poll(signal)) {
      if (item.kind === 'split-end') open.delete(item.split)
      if (item.kind !== 'batch') continue
      isWanting = await take(item)
      item.release()
      quietSince = performance.now()
    }
  }
}

function splitsOf(parts: readonly SlicePart[]): SplitAssignment[] {
  return parts.map(({ assignment }) => assignment)
}

function placeText(at: JsonObject, skip: number): string {
  return `${JSON.stringify(at)}${skip === 0 ? '' : ` + ${skip}`}`
}

/** The options of the source, with the end that there is now where it would be waited for. */
function untilNow({ connector, options, bounded }: SourceStep): JsonObject {
  if (bounded) return options
  if (HAVE_END.includes(connector)) return { ...options, end: 'latest' }
  const { follow: _follow, changes: _changes, ...rest } = options
  return rest
}
