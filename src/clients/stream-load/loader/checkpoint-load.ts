import type { Batch } from '../../../core/batch.ts'
import type { JsonObject } from '../../../core/json.ts'

/**
 * What one writer sends to one table in one checkpoint. The two servers differ here: StarRocks takes several loads in
 * one transaction, Doris makes a transaction of every load.
 */
export interface CheckpointLoad {
  /** Sends whole rows; resolves when more may be sent. `done` is called when the buffer may be used again. */
  write(rows: LoadRows, done: () => void): Promise<void>
  /** Ends the request under way, so that an idle one does not run into the server's timeout. The next `write` opens another. */
  closeLoad(): Promise<void>
  /** Flushes and prepares; nothing becomes visible. Throws when rows sent and rows taken differ. */
  prepare(): Promise<PreparedLoad>
  /** Undoes what is open or prepared; used for work that no checkpoint owns. */
  rollback(): Promise<void>
}

/** Encoded rows: each followed by one separator byte, also the last. */
export interface LoadRows extends Pick<Batch, 'table' | 'partial'> {
  readonly buffer: Buffer
  readonly length: number
  readonly rows: number
}

export interface PreparedLoad {
  readonly committables: readonly JsonObject[]
  readonly rows: number
  readonly bytes: number
}
