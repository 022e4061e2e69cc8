import { isUtf8 } from 'node:buffer'
import type { JsonObject } from './json.ts'
import type { Schema } from './schema.ts'

/** Where the dead letters of a part of a pipeline go, and how many there may be. */
export interface DeadLetterRoute {
  /** The sink that takes them. */
  readonly to: string
  /** Over the life of the pipeline; absent: any number. */
  readonly maxRows?: number | undefined
  /** Of the records that were read, over windows of some thousand. */
  readonly maxRatio: number
}

/** The port at which the dead letters of a sink enter the flow. */
export function lettersOf(sink: string): string {
  return `${sink}.letters`
}

/** A record that was put aside: where it stands, why, and its bytes as they were read. */
export interface DeadLetter {
  readonly source: string
  readonly split: string
  /** Native words of the source: `offset`, or `file` and `row`. */
  readonly position: JsonObject
  readonly checkpoint: number
  /** 1 when it was read from its source; one more each time that it is driven in again and fails. */
  readonly attempt: number
  /** The source, transform or sink that could not carry it. */
  readonly step: string
  readonly code: string
  /** Names columns and classes of mistakes, never values. */
  readonly reason: string
  readonly column: string
  readonly raw: Uint8Array
}

/** The columns of a dead letter, in every target. */
export const DEAD_LETTER_SCHEMA: Schema = [
  { name: 'source', type: 'varchar', nullable: false },
  { name: 'split', type: 'varchar', nullable: false },
  { name: 'position', type: 'varchar', nullable: false },
  { name: 'checkpoint', type: 'bigint', nullable: false },
  { name: 'attempt', type: 'integer', nullable: false },
  { name: 'step', type: 'varchar', nullable: false },
  { name: 'code', type: 'varchar', nullable: false },
  { name: 'reason', type: 'varchar', nullable: false },
  { name: 'column_name', type: 'varchar', nullable: true },
  { name: 'raw', type: 'varchar', nullable: false },
  { name: 'encoding', type: 'varchar', nullable: false },
]

/** One line of JSON with the columns above. Bytes that are no text travel in base64. */
export function deadLetterLine(letter: DeadLetter): string {
  const { source, split, position, checkpoint, attempt, step, code, reason, column } = letter
  const raw = Buffer.from(letter.raw.buffer, letter.raw.byteOffset, letter.raw.byteLength)
  const encoding = isUtf8(raw) ? 'utf8' : 'base64'
  return JSON.stringify({
    source,
    split,
    position: JSON.stringify(position),
    checkpoint,
    attempt,
    step,
    code,
    reason,
    column_name: column === '' ? null : column,
    raw: raw.toString(encoding),
    encoding,
  })
}
