import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { formatLsn, parseLsn, type Lsn } from '../../clients/postgres-replication/index.ts'

/** Values of a key's columns, as text. */
export type KeyText = readonly string[]

/** What never changes about a table while it is read. */
export interface TableSpec {
  /** Identifier of the database cluster (IDENTIFY_SYSTEM). */
  readonly system: string
  readonly schema: string
  readonly name: string
  readonly oid: number
}

/** A part of a table as it was: keys from `lo` on and below `hi`, by the first column of the key. */
export interface ChunkSpec extends TableSpec {
  readonly lo: string | undefined
  readonly hi: string | undefined
  /** Of a table that is read beside the log, which it joins afterwards. */
  readonly isJoining: boolean
}

/** From some key on, rows were read as this snapshot saw them. */
export interface SeenFrom {
  /** Undefined: from the beginning of the chunk. */
  readonly after: KeyText | undefined
  readonly snapshot: string
}

export interface ChunkPosition {
  /** Where the slot begins, or a table joins the log: before every snapshot. */
  readonly start: Lsn
  /** The last row that was read; undefined at the beginning, and where keys have no order. */
  readonly after: KeyText | undefined
  /** One for each time that reading began. */
  readonly seen: readonly SeenFrom[]
  /** Of a chunk that was read to its end: a place behind everything that its snapshots saw. */
  readonly high: Lsn | undefined
}

/** A chunk that was read, for the log: whose rows it holds, and what they were seen by. */
export interface ReadChunk {
  readonly lo: string | undefined
  readonly seen: readonly SeenFrom[]
}

/** A table in the log, and the chunks that were read of it. */
export interface WalTable {
  readonly schema: string
  readonly name: string
  readonly chunks: readonly ReadChunk[]
  /** From here on nothing is in a chunk already. */
  readonly high: Lsn
}

/** The log that follows all chunks. */
export interface WalSpec {
  readonly system: string
  readonly tables: readonly WalTable[]
}

export const WAL = 'wal'

export function chunkId(table: TableSpec, chunk: number, round: number): string {
  return `${tableKey(table)}/${chunk}${round === 0 ? '' : `@${round}`}`
}

/** In which round of joining tables a chunk is read; 0: at the first start. */
export function roundOf(split: string): number {
  return Number(/\/\d+@(\d+)$/.exec(split)?.[1] ?? 0)
}

export function tableSpecFromJson({ system, schema, name, oid }: JsonObject): TableSpec {
  if (typeof system !== 'string' || typeof schema !== 'string' || typeof name !== 'string' || typeof oid !== 'number')
    throw unreadable({ system: system ?? null, schema: schema ?? null, name: name ?? null })
  return { system, schema, name, oid }
}

export function chunkSpecToJson({ system, schema, name, oid, lo, hi, isJoining }: ChunkSpec): JsonObject {
  return { system, schema, name, oid, lo: lo ?? null, hi: hi ?? null, ...(isJoining ? { isJoining } : {}) }
}

export function chunkSpecFromJson(json: JsonObject): ChunkSpec {
  const { lo, hi, isJoining } = json
  return { ...tableSpecFromJson(json), lo: textOf(lo), hi: textOf(hi), isJoining: isJoining === true }
}

export function chunkPositionToJson({ start, after, seen, high }: ChunkPosition): JsonObject {
  return {
    start: formatLsn(start),
    after: after ?? null,
    seen: seen.map(seenToJson),
    high: high === undefined ? null : formatLsn(high),
  }
}

export function chunkPositionFromJson(json: JsonObject): ChunkPosition {
  const { start, after, seen, high } = json
  if (typeof start !== 'string' || !Array.isArray(seen)) throw unreadable(json)
  return {
    start: parseLsn(start),
    after: keyFromJson(after),
    seen: seen.map((one: JsonObject) => seenFromJson(one)),
    high: typeof high === 'string' ? parseLsn(high) : undefined,
  }
}

/** Where a chunk ended, with all that the log behind it has to know. */
export interface ChunkEnd {
  readonly index: number
  readonly spec: ChunkSpec
  readonly position: ChunkPosition
}

export function chunkEndToJson(spec: ChunkSpec, position: ChunkPosition): JsonObject {
  return { ...chunkPositionToJson(position), chunk: chunkSpecToJson(spec) }
}

export function chunkEndFromJson(split: string, json: JsonObject): ChunkEnd {
  const { chunk } = json
  if (typeof chunk !== 'object' || chunk === null || Array.isArray(chunk)) throw unreadable(json)
  const index = Number.parseInt(split.slice(split.lastIndexOf('/') + 1), 10)
  return { index, spec: chunkSpecFromJson(chunk as JsonObject), position: chunkPositionFromJson(json) }
}

/** The log that follows chunks which were read to their ends, and where it begins. */
export function walAfter(ends: readonly ChunkEnd[]): { readonly start: Lsn; readonly spec: WalSpec } {
  const [first] = ends
  assert(first !== undefined, 'there is a chunk')
  const byTable = Map.groupBy(ends, ({ spec }) => tableKey(spec))
  const tables = [...byTable.values()].map((chunks) =>
    walTable(chunks.toSorted((one, other) => one.index - other.index)),
  )
  return { start: first.position.start, spec: { system: first.spec.system, tables } }
}

function walTable(ends: readonly ChunkEnd[]): WalTable {
  const [first] = ends
  assert(first !== undefined, 'a table has a chunk')
  const { schema, name } = first.spec
  const chunks = ends.map(({ spec: { lo }, position: { seen } }) => ({ lo, seen }))
  const high = ends.reduce((most, { position }) => ((position.high ?? 0n) > most ? (position.high ?? 0n) : most), 0n)
  return { schema, name, chunks, high }
}

/** Names may contain dots; a schema and a table have only one such text all the same. */
export function tableKey({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema.replaceAll('.', '..')}.${name}`
}

export function walSpecToJson({ system, tables }: WalSpec): JsonObject {
  return {
    system,
    tables: tables.map(walTableToJson),
  }
}

export function walTableToJson({ schema, name, chunks, high }: WalTable): JsonObject {
  return {
    schema,
    name,
    chunks: chunks.map((chunk) => ({ lo: chunk.lo ?? null, seen: chunk.seen.map(seenToJson) })),
    high: formatLsn(high),
  }
}

export function walSpecFromJson(json: JsonObject): WalSpec {
  const { system, tables } = json
  if (typeof system !== 'string' || !Array.isArray(tables)) throw unreadable(json)
  return { system, tables: tables.map((table: JsonObject) => walTableFromJson(table)) }
}

export function walTableFromJson(json: JsonObject): WalTable {
  const { schema, name, chunks, high } = json
  if (typeof schema !== 'string' || typeof name !== 'string' || !Array.isArray(chunks) || typeof high !== 'string')
    throw unreadable(json)
  return {
    schema,
    name,
    chunks: chunks.map((chunk: JsonObject) => ({
      lo: textOf(chunk['lo']),
      seen: Array.isArray(chunk['seen']) ? chunk['seen'].map((one: JsonObject) => seenFromJson(one)) : [],
    })),
    high: parseLsn(high),
  }
}

function seenToJson({ after, snapshot }: SeenFrom): JsonObject {
  return { after: after ?? null, snapshot }
}

function seenFromJson(json: JsonObject): SeenFrom {
  const { after, snapshot } = json
  if (typeof snapshot !== 'string') throw unreadable(json)
  return { after: keyFromJson(after), snapshot }
}

function keyFromJson(json: JsonObject[string] | undefined): KeyText | undefined {
  return Array.isArray(json) ? json.map(String) : undefined
}

function textOf(json: JsonObject[string] | undefined): string | undefined {
  return typeof json === 'string' ? json : undefined
}

export function unreadable(json: JsonObject): MillraceError {
  return new MillraceError(`a Postgres position cannot be read: ${JSON.stringify(json)}`, { code: 'STORE_CORRUPT' })
}
