import type { SplitAssignment } from '../../core/source.ts'
import {
  quoteName,
  quoteText,
  type KeyColumn,
  type Lsn,
  type PgConnection,
  type PgTable,
} from '../../clients/postgres-replication/index.ts'
import { hasOwnOrder, keyOrder, type CompareKeys } from './key-order.ts'
import { chunkId, chunkPositionToJson, chunkSpecToJson, type TableSpec } from './split.ts'

const CHUNKS_MAX = 256
/** Where the index of the key does not serve, each part is a scan of the whole table, and sorted. */
const SCANS_MAX = 8

interface ChunkBounds {
  readonly lo: string | undefined
  readonly hi: string | undefined
}

/**
 * Cuts a table into parts by the first column of its key: the first part has no lower bound and the last one no upper,
 * so that they hold every row there is or will be. A table without a key makes one part.
 */
async function planChunks(
  connection: PgConnection,
  table: PgTable,
  rowsPerChunk: number,
): Promise<readonly ChunkBounds[]> {
  const [first] = table.key
  const rows = table.rowsEstimated >= 0 ? table.rowsEstimated : table.bytes / 100
  const most = first !== undefined && hasOwnOrder(first) ? CHUNKS_MAX : SCANS_MAX
  const count = Math.min(most, Math.ceil(rows / rowsPerChunk))
  const compare = keyOrder(table.key)
  if (first === undefined || compare === undefined || count < 2) return [{ lo: undefined, hi: undefined }]
  const found = await boundsOf(connection, table, { first, count, compare })
  const bounds = found.filter((bound, index) => index === 0 || compare([found[index - 1] ?? ''], [bound]) < 0)
  return [undefined, ...bounds].map((lo, index) => ({ lo, hi: bounds[index] }))
}

/** Splits for the rows of some tables. */
export async function planSplits(
  connection: PgConnection,
  tables: readonly PgTable[],
  { system, start, round, chunkRows }: Readonly<{ system: string; start: Lsn; round: number; chunkRows: number }>,
): Promise<readonly SplitAssignment[]> {
  const splits: SplitAssignment[] = []
  for (const table of tables) {
    const spec: TableSpec = { system, schema: table.schema, name: table.name, oid: table.oid }
    const chunks = await planChunks(connection, table, chunkRows)
    for (const [index, bounds] of chunks.entries()) {
      const at = chunkPositionToJson({ start, after: undefined, seen: [], high: undefined })
      const chunk = chunkSpecToJson({ ...spec, ...bounds, isJoining: round > 0 })
      splits.push({ split: chunkId(spec, index, round), spec: chunk, at })
    }
  }
  return splits
}

/** Where the server's statistics know how values are spread, by those; whole numbers otherwise in even steps. */
async function boundsOf(
  connection: PgConnection,
  { schema, name }: PgTable,
  { first, count, compare }: { readonly first: KeyColumn; readonly count: number; readonly compare: CompareKeys },
): Promise<string[]> {
  const [histogram] = await connection.query(
    `SELECT array_to_json(histogram_bounds::text::text[]) FROM pg_catalog.pg_stats
     WHERE schemaname = ${quoteText(schema)} AND tablename = ${quoteText(name)} AND attname = ${quoteText(first.name)}
       AND histogram_bounds IS NOT NULL`,
    `reading the statistics of ${schema}.${name}`,
  )
  const sample = typeof histogram?.[0] === 'string' ? (JSON.parse(histogram[0]) as string[]) : []
  // They are sorted as the server does.
  const values = sample.toSorted((one, other) => compare([one], [other]))
  if (values.length > 2) {
    const steps = Math.min(count, values.length - 1)
    return Array.from(
      { length: steps - 1 },
      (_, at) => values[Math.round(((at + 1) * (values.length - 1)) / steps)] ?? '',
    )
  }
  if (!first.type.startsWith('int')) return []
  const [range] = await connection.query(
    `SELECT min(${quoteName(first.name)}), max(${quoteName(first.name)}) FROM ${quoteName(schema)}.${quoteName(name)}`,
    `looking for the first and last key of ${schema}.${name}`,
  )
  const [least, greatest] = range ?? []
  return typeof least === 'string' && typeof greatest === 'string'
    ? evenSteps(BigInt(least), BigInt(greatest), count)
    : []
}

function evenSteps(least: bigint, greatest: bigint, count: number): string[] {
  const width = greatest - least + 1n
  const steps = Array.from({ length: count - 1 }, (_, at) => least + (width * BigInt(at + 1)) / BigInt(count))
  return [...new Set(steps)].filter((step) => step > least).map(String)
}
