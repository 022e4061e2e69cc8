import type { Batch, RecordMetadata } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import { quoteName, type LaneDatabase } from '../../dataplane/index.ts'

/** Tables wait for their release under names of their own. */
let tables = 0

/** A name for the temporary table of one batch. */
export function newTableName(): string {
  return `read from file ${++tables}`
}

/** A batch whose rows are a temporary table, which the release drops. */
export function tableBatch(
  database: LaneDatabase,
  relation: string,
  schema: Schema,
  place: Pick<Batch, 'split' | 'from' | 'next' | 'rows' | 'bytes'>,
  metadata?: RecordMetadata,
): Batch {
  let isReleased = false
  return {
    ...place,
    kind: 'batch',
    body: { kind: 'table', relation, schema, ...(metadata && { metadata }) },
    release: () => {
      if (isReleased) return
      isReleased = true
      // Nobody waits for it: a table that stays because the lane is ending goes with the lane.
      database.run(`DROP TABLE IF EXISTS ${quoteName(relation)}`).catch(() => undefined)
    },
  }
}
