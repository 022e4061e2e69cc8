import type { Batch, Item } from '../../core/batch.ts'
import type { TableId } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { ChangeCollector, CollectedItem } from '../../formats/changes/index.ts'

/** So many of the next rows of each table were handed on before. */
export type Skip = ReadonlyMap<TableId, number>

export interface Placement {
  readonly split: string
  readonly isOfTables: boolean
  /** Rows of each table from the beginning of the piece on that were handed on before. */
  readonly skip: Skip
  /** The position at which the piece begins, when so many rows of each table were handed on. */
  readonly at: (done: Skip) => JsonObject
  /** The position behind the piece. */
  readonly end: JsonObject
}

/** What was collected of a piece of the log, as items with their positions. The last one stands behind the piece. */
export function placedItems(collector: ChangeCollector, placement: Placement): Item[] {
  const { split, skip, at, end } = placement
  const collected = collector.take()
  const done = new Map(skip)
  let next = at(skip)
  const items = collected.map((item, index): Item => {
    const from = next
    if (item.kind === 'rows') done.set(item.table.id, (done.get(item.table.id) ?? 0) + item.rows.rows)
    next = index === collected.length - 1 ? end : at(done)
    if (item.kind === 'change') return { kind: 'schema-change', split, next, table: item.table, events: item.events }
    return batchOf(collector, item, placement, { from, next })
  })
  // Messages without rows for us move the position too.
  return items.length > 0 ? items : [emptyBatch(split, next, end)]
}

function batchOf(
  collector: ChangeCollector,
  { rows: made, table, partial }: CollectedItem & { kind: 'rows' },
  { split, isOfTables }: Placement,
  range: { readonly from: JsonObject; readonly next: JsonObject },
): Batch {
  if (partial !== undefined && !isOfTables) {
    throw new MillraceError(
      `${table.id} has values that did not change and are not in the messages: one table with a fixed \`schema\` cannot ` +
        'leave columns as they are. Read it with `tables` into a sink with `routes`, or set REPLICA IDENTITY FULL',
      { code: 'SCHEMA', detail: { table: table.id } },
    )
  }
  return {
    kind: 'batch',
    split,
    ...range,
    body: {
      kind: 'bytes',
      buffer: made.buffer,
      length: made.length,
      separator: collector.separator,
      ...(made.traces && {
        ends: Uint32Array.from(made.traces.ends),
        metadata: { offset: BigInt64Array.from(made.traces.offsets) },
      }),
    },
    ...(isOfTables && { table, ...(partial && { partial }) }),
    rows: made.rows,
    bytes: made.length,
    release: () => collector.release(made),
  }
}

function emptyBatch(split: string, from: JsonObject, next: JsonObject): Batch {
  const body = { kind: 'bytes', buffer: Buffer.alloc(0), length: 0, separator: 0x0a } as const
  return { kind: 'batch', split, from, next, body, rows: 0, bytes: 0, release: () => undefined }
}

export function skipToJson(skip: Skip): JsonObject {
  return skip.size === 0 ? {} : { skip: Object.fromEntries(skip) }
}

export function skipFromJson({ skip }: JsonObject): Skip {
  if (typeof skip !== 'object' || skip === null || Array.isArray(skip)) return new Map()
  return new Map(Object.entries(skip).map(([table, rows]) => [table, Number(rows)]))
}
