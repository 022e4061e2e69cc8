import { MillraceError } from '../../core/errors.ts'
import type { MysqlConnection } from '../../clients/mysql-replication/index.ts'
import { quoteName } from './connect.ts'
import type { FoundTable } from './read-tables.ts'
import { keyLiterals } from './snapshot-columns.ts'
import { chunkId, type ChunkSpec } from './split.ts'
import { shapeDigest } from './table-shape.ts'

/** Enough for the lanes of any machine, few enough for every manifest; a chunk goes on where it stopped anyway. */
const CHUNKS_MAX = 32
const CHUNK_ROWS_MIN = 20_000

export interface PlannedChunk {
  readonly id: string
  readonly spec: ChunkSpec
}

/** Deals the rows of a table out by the first column of its key. */
export async function planChunks(
  connection: MysqlConnection,
  found: FoundTable,
  why: Pick<ChunkSpec, 'place' | 'wanted' | 'joining'>,
): Promise<readonly PlannedChunk[]> {
  const { database, name } = found.shape
  if (found.keyOrder.length === 0) {
    throw new MillraceError(
      `table ${database}.${name} has no primary key: its initial rows cannot be read in parts, and nobody could tell its ` +
        'rows apart. Give it one, or begin with `start: latest`',
      { code: 'SCHEMA', detail: { table: found.shape.id } },
    )
  }
  const [literal] = keyLiterals(found)
  const bounds = literal === undefined ? [] : await findBounds(connection, found)
  const edges = [null, ...bounds, null]
  const shape = shapeDigest(found.shape)
  return edges.slice(1).map((to, index) => ({
    id: chunkId(database, name, index, why.joining?.round ?? 0),
    spec: { kind: 'chunk', database, table: name, from: edges[index] ?? null, to: to ?? null, shape, ...why },
  }))
}

/** Numbers are dealt out evenly between the least and the greatest; where that is uneven a lane has more to do. */
async function findBounds(
  connection: MysqlConnection,
  { shape, columns, keyOrder, rows }: FoundTable,
): Promise<string[]> {
  const count = Math.min(CHUNKS_MAX, Math.floor(rows / CHUNK_ROWS_MIN))
  const first = columns.find(({ name }) => name === keyOrder[0])
  if (count < 2 || first === undefined || !/^(tinyint|smallint|mediumint|int|bigint)$/.test(first.dataType)) return []
  const column = quoteName(first.name)
  const [row] = await connection.query(
    `SELECT MIN(${column}), MAX(${column}) FROM ${quoteName(shape.database)}.${quoteName(shape.name)}`,
  )
  const [least, greatest] = row ?? []
  if (typeof least !== 'string' || typeof greatest !== 'string') return []
  const span = BigInt(greatest) - BigInt(least)
  const bounds = Array.from({ length: count - 1 }, (_, at) => BigInt(least) + (span * BigInt(at + 1)) / BigInt(count))
  return [...new Set(bounds.filter((bound) => bound > BigInt(least)).map(String))]
}
