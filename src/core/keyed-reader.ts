import type { Schema } from './schema.ts'

/** What a lookup asks of a source for some keys only. */
export interface KeyedAsk {
  /** Columns of the table that make a key. */
  readonly keys: readonly string[]
  /** Columns of the rows that are given, the keys among them. */
  readonly schema: Schema
}

/** Rows of a table by their keys, each asked for when it is needed. Used by one lane; calls may overlap. */
export interface KeyedReader {
  /**
   * The rows that have one of the keys, as JSON lines of the schema. A key is the texts of its columns' values, none of
   * them NULL. Rows may come that the server takes for equal and whose keys look different.
   *
   * @throws MillraceError `UNAVAILABLE` (retry) for a server that is away or busy, and what reading the whole throws.
   */
  fetch(keys: readonly (readonly string[])[], signal: AbortSignal): Promise<JsonLines>
  close(): Promise<void>
}

/** Records with a line feed behind each. */
export interface JsonLines {
  readonly buffer: Buffer
  readonly length: number
  readonly rows: number
}
