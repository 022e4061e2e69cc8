import type { JsonObject } from '../../core/json.ts'

/** The ticket of a checkpoint: who writes, for which checkpoint, and into which staging table (empty: none). */
export interface SqlTicket {
  readonly epoch: number
  readonly checkpoint: number
  readonly stage: string
}

/** Staged rows of a checkpoint: of one lane as a part, of all lanes as what is committed. */
export interface SqlCommittable extends SqlTicket {
  /** Rows that were written. */
  readonly rows: number
  /** Rows that are in the staging table: fewer where a key came more than once. */
  readonly staged: number
}

export function ticketOf(json: JsonObject): SqlTicket {
  return { epoch: Number(json['epoch']), checkpoint: Number(json['checkpoint']), stage: String(json['stage']) }
}

export function committableOf(json: JsonObject): SqlCommittable {
  return { ...ticketOf(json), rows: Number(json['rows']), staged: Number(json['staged']) }
}
