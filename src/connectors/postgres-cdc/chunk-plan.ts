import { quoteName, quoteText, type PgConnection, type PgTable } from '../../clients/postgres-replication/index.ts'
import { keyOrder } from './key-order.ts'

const CHUNKS_MAX = 256

export interface ChunkBounds {
  readonly lo: string | undefined
  readonly hi: string | undefined
}

/**
 * Cuts a table into parts by the first column of its key: the first part has no lower bound and the last one no upper,
 * so that they hold every row there is or will be. Keys whose order we cannot tell make one part.
 */
export async function planChunks(
  connection: PgConnection,
  table: PgTable,
  rowsPerChunk: number,
): Promise<readonly ChunkBounds[]> {
  const [first] = table.key
  const rows = table.rowsEstimated >= 0 ? table.rowsEstimated : table.bytes / 100
  const count = Math.min(CHUNKS_MAX, Math.ceil(rows / rowsPerChunk))
  const compare = keyOrder(table.key)
  if (first === undefined || compare === undefined || count < 2) return [{ lo: undefined, hi: undefined }]
  const found = await boundsOf(connection, table, { name: first.name, type: first.type, count })
  const bounds = found.filter((bound, index) => index === 0 || compare([found[index - 1] ?? ''], [bound]) < 0)
  return [undefined, ...bounds].map((lo, index) => ({ lo, hi: bounds[index] }))
}

/** Where the server's statistics know how values are spread, by those; whole numbers otherwise in even steps. */
async function boundsOf(
  connection: PgConnection,
  { schema, name }: PgTable,
  column: { readonly name: string; readonly type: string; readonly count: number },
): Promise<string[]> {
  const { count } = column
  const [histogram] = await connection.query(
    `SELECT array_to_json(histogram_bounds::text::text[]) FROM pg_catalog.pg_stats
     WHERE schemaname = ${quoteText(schema)} AND tablename = ${quoteText(name)} AND attname = ${quoteText(column.name)}
       AND histogram_bounds IS NOT NULL`,
    `reading the statistics of ${schema}.${name}`,
  )
  const values = typeof histogram?.[0] === 'string' ? (JSON.parse(histogram[0]) as string[]) : []
  if (values.length > 2) {
    const steps = Math.min(count, values.length - 1)
    return Array.from(
      { length: steps - 1 },
      (_, at) => values[Math.round(((at + 1) * (values.length - 1)) / steps)] ?? '',
    )
  }
  if (!column.type.startsWith('int')) return []
  const [range] = await connection.query(
    `SELECT min(${quoteName(column.name)}), max(${quoteName(column.name)}) FROM ${quoteName(schema)}.${quoteName(name)}`,
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
