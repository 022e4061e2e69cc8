import type { Batch, Item } from '../../core/batch.ts'
import { tableId, type TableId } from '../../core/changes.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment } from '../../core/source.ts'
import {
  BadMessage,
  ChangeCollector,
  openChangeFormat,
  type ChangeFormat,
  type ChangeFormatName,
  type ChangeMessage,
  type CollectedItem,
} from '../../formats/changes/index.ts'
import { isNullAt, type RecordTarget } from '../../clients/kafka/index.ts'
import type { KafkaSourceOptions } from './options.ts'
import { offsetToJson, type KafkaSplit } from './split.ts'

type Skip = ReadonlyMap<TableId, number>

const NO_BYTES = Buffer.alloc(0)

/**
 * Makes changes of what was gathered from a partition. The rows of each table are handed on together, so a position may
 * stand between the tables of one piece of the log: it says from where the log is read again, and how many rows of each
 * table from there on were handed on already. What a message becomes depends on nothing else, however it is read again.
 */
export class ChangeSplits {
  readonly #format: ChangeFormat
  readonly #formatName: string
  readonly #collector: ChangeCollector
  readonly #isOfTables: boolean
  readonly #skips = new Map<string, Skip>()

  constructor(options: KafkaSourceOptions, format: ChangeFormatName, context: LaneContext) {
    this.#isOfTables = context.tables === true
    this.#formatName = format
    this.#format = openChangeFormat(format, context.schema)
    this.#collector = new ChangeCollector({
      separator: context.format.kind === 'bytes' ? context.format.separator : 0x0a,
      wants: wantedBy(options),
      tellsChanges: this.#isOfTables,
    })
  }

  assign({ split, at }: SplitAssignment): void {
    this.#skips.set(split, skipFromJson(at))
  }

  /** The changes of the target's records. The last item stands behind all of them. */
  itemsOf(
    { topic, partition }: Pick<KafkaSplit, 'topic' | 'partition'>,
    split: string,
    range: { readonly from: bigint; readonly next: bigint },
    target: RecordTarget,
  ): Item[] {
    const before = this.#skips.get(split) ?? new Map<TableId, number>()
    const collector = this.#collector
    collector.begin(before)
    for (let row = 0; row < target.rows; row++) {
      try {
        this.#format.decode(messageAt(topic, target, row), collector)
      } catch (error) {
        collector.clear()
        if (!(error instanceof BadMessage) && !(error instanceof SyntaxError)) throw error
        throw this.#poison(`${topic} partition ${partition} at offset ${target.offsets[row]}`, error, {
          topic,
          partition,
          offset: String(target.offsets[row]),
        })
      }
    }
    const after = collector.skip
    this.#skips.set(split, after)
    const end = positionOf(range.next, after)
    return this.#placed(split, positionOf(range.from, before), end, { from: range.from, skip: before })
  }

  #placed(split: string, start: JsonObject, end: JsonObject, piece: { from: bigint; skip: Skip }): Item[] {
    const collected = this.#collector.take()
    const done = new Map(piece.skip)
    let at = start
    const items = collected.map((item, index): Item => {
      const from = at
      if (item.kind === 'rows') done.set(item.table.id, (done.get(item.table.id) ?? 0) + item.rows.rows)
      at = index === collected.length - 1 ? end : positionOf(piece.from, done)
      if (item.kind === 'change')
        return { kind: 'schema-change', split, next: at, table: item.table, events: item.events }
      return this.#batchOf(item, split, from, at)
    })
    // Messages without rows for us move the position too.
    return items.length > 0 ? items : [emptyBatch(split, start, end)]
  }

  #batchOf(item: CollectedItem & { kind: 'rows' }, split: string, from: JsonObject, next: JsonObject): Batch {
    const { rows: made, table, partial } = item
    if (partial !== undefined && !this.#isOfTables) {
      throw new MillraceError(
        `${table.id} has values that did not change and are not in the messages: one table with a fixed \`schema\` cannot ` +
          'leave columns as they are. Read it with `tables` into a sink with `routes`, or set REPLICA IDENTITY FULL',
        { code: 'SCHEMA', detail: { table: table.id } },
      )
    }
    return {
      kind: 'batch',
      split,
      from,
      next,
      body: { kind: 'bytes', buffer: made.buffer, length: made.length, separator: this.#collector.separator },
      ...(this.#isOfTables && { table, ...(partial && { partial }) }),
      rows: made.rows,
      bytes: made.length,
      release: () => this.#collector.release(made),
    }
  }

  #poison(where: string, error: Error, detail: JsonObject): MillraceError {
    const reason = error instanceof BadMessage ? error.message : 'it is no JSON'
    return new MillraceError(`reading ${where}: the message is no ${this.#formatName} change: ${reason}`, {
      code: 'POISON',
      detail: { ...detail, reason },
    })
  }
}

const message: { -readonly [K in keyof ChangeMessage]: ChangeMessage[K] } = {
  topic: '',
  buffer: NO_BYTES,
  from: 0,
  to: 0,
  isNull: false,
  keyBuffer: NO_BYTES,
  keyFrom: 0,
  keyTo: 0,
}

/** One object for all records: formats keep nothing of a message. */
function messageAt(topic: string, target: RecordTarget, row: number): ChangeMessage {
  const { keys } = target
  message.topic = topic
  message.buffer = target.buffer
  message.from = row === 0 ? 0 : (target.ends[row - 1] ?? 0) + 1
  message.to = target.ends[row] ?? 0
  message.isNull = target.nulls !== undefined && isNullAt({ nulls: target.nulls }, row)
  message.keyBuffer = keys?.bytes ?? NO_BYTES
  message.keyFrom = keys === undefined || row === 0 ? 0 : (keys.ends[row - 1] ?? 0)
  message.keyTo = keys?.ends[row] ?? 0
  return message
}

/** Several tables by their patterns; otherwise the one that is named, or the only one that there is. */
function wantedBy({
  tables,
  table,
}: KafkaSourceOptions): (found: { database: string; name: string; id: TableId }) => boolean {
  if (tables !== undefined) {
    const patterns = tables.map((pattern) => new RegExp(`^(?:${pattern})$`, 'u'))
    return ({ database, name }) => patterns.some((pattern) => pattern.test(`${database}.${name}`))
  }
  let only: TableId | undefined
  return ({ database, name, id }) => {
    if (table !== undefined) return table === `${database}.${name}` || table === tableId(database, name)
    only ??= id
    if (only === id) return true
    throw new BadMessage(
      `it belongs to ${id}, and those before to ${only}: name one as \`table\`, or several as \`tables\``,
    )
  }
}

function positionOf(offset: bigint, skip: Skip): JsonObject {
  return skip.size === 0 ? offsetToJson(offset) : { ...offsetToJson(offset), skip: Object.fromEntries(skip) }
}

function skipFromJson({ skip }: JsonObject): Skip {
  if (typeof skip !== 'object' || skip === null || Array.isArray(skip)) return new Map()
  return new Map(Object.entries(skip).map(([table, rows]) => [table, Number(rows)]))
}

function emptyBatch(split: string, from: JsonObject, next: JsonObject): Batch {
  const body = { kind: 'bytes', buffer: NO_BYTES, length: 0, separator: 0x0a } as const
  return { kind: 'batch', split, from, next, body, rows: 0, bytes: 0, release: () => undefined }
}
