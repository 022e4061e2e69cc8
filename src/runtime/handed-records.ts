import type { Batch, BytesBody, RecordMetadata } from '../core/batch.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import type { JsonObject } from '../core/json.ts'
import { placeOf } from '../transforms/record-place.ts'

/** Which records a trial offers, by split; splits that are not named are not offered at all. */
export type TrialRanges = Readonly<Record<string, { readonly from: number; readonly to: number }>>

/** How many records of a split a lane handed on into one checkpoint; in a trial also where the first and last stand. */
export interface HandedRecords {
  readonly checkpoint: CheckpointId
  readonly source: string
  readonly split: string
  readonly records: number
  readonly first?: JsonObject
  readonly last?: JsonObject
}

/** Rows `from` to `to` of a batch that is a table. Takes the batch over. */
export type CutTable = (batch: Batch, from: number, to: number) => Promise<Batch>

interface Count {
  /** Read since the lane's start position. */
  read: number
  records: number
  first?: JsonObject
  last?: JsonObject
}

/**
 * Counts what one lane hands on, so that a checkpoint that was refused can be offered again in parts: records are
 * numbered from the position where a split was assigned, which means the same whatever batches they arrive in.
 */
export class HandedCounter {
  readonly #cutTable: CutTable
  #byCheckpoint: { checkpoint: CheckpointId; counts: Map<string, Count> }[] = []
  #trial: Readonly<Record<string, TrialRanges>> | undefined
  #ended = new Set<string>()

  constructor(cutTable: CutTable) {
    this.#cutTable = cutTable
  }

  begin(checkpoint: CheckpointId, trial: Readonly<Record<string, TrialRanges>> | undefined): void {
    this.#byCheckpoint = [{ checkpoint, counts: new Map() }]
    this.#trial = trial
    this.#ended.clear()
  }

  /** What follows belongs to `next`. One checkpoint is prepared while the next one is filled; older ones are published. */
  cut(next: CheckpointId): void {
    this.#byCheckpoint = [...this.#byCheckpoint.slice(-1), { checkpoint: next, counts: new Map() }]
  }

  /** The part of the batch that is to be handed on; without one the batch was released. */
  async take(source: string, batch: Batch): Promise<Batch | undefined> {
    const count = this.#count(source, batch.split)
    if (this.#trial === undefined) {
      count.records += batch.rows
      return batch
    }
    const start = count.read
    count.read += batch.rows
    const range = this.#trial[source]?.[batch.split] ?? { from: 0, to: 0 }
    const from = Math.max(0, range.from - start)
    const to = Math.min(batch.rows, range.to - start)
    const part = from < to ? rawFrom(await this.#partOf(batch, from, to), from) : undefined
    if (part === undefined) {
      batch.release()
      return undefined
    }
    // What was cut out of the batch has given its body back, but not where its records stand.
    count.first ??= placeOf(batch, from)
    count.last = placeOf(batch, from + part.rows - 1)
    count.records += part.rows
    return part
  }

  splitEnded(source: string, split: string): void {
    this.#ended.add(keyOf(source, split))
  }

  /** In a trial: everything that it offers was handed on. Otherwise `undefined`. */
  get isTrialOver(): boolean | undefined {
    if (this.#trial === undefined) return undefined
    return Object.entries(this.#trial).every(([source, ranges]) =>
      Object.entries(ranges).every(
        ([split, { to }]) => this.#ended.has(keyOf(source, split)) || this.#count(source, split).read >= to,
      ),
    )
  }

  report(): HandedRecords[] {
    return this.#byCheckpoint.flatMap(({ checkpoint, counts }) =>
      [...counts].map(([key, { read: _read, ...count }]) => {
        const [source = '', split = ''] = key.split('\n')
        return { checkpoint, source, split, ...count }
      }),
    )
  }

  /** Records `from` to `to` of a batch. What is neither bytes nor a table is not cut: its first part is all of it. */
  async #partOf(batch: Batch, from: number, to: number): Promise<Batch | undefined> {
    if (from === 0 && to === batch.rows) return batch
    const { body } = batch
    if (body.kind === 'bytes') return bytesPart(batch, body, from, to)
    if (body.kind !== 'table') return from === 0 ? batch : undefined
    const part = await this.#cutTable(batch, from, to)
    if (part.body.kind !== 'table' || body.metadata === undefined) return part
    return { ...part, body: { ...part.body, metadata: metadataPart(body.metadata, from, to) } }
  }

  #count(source: string, split: string): Count {
    const counts = this.#byCheckpoint.at(-1)?.counts ?? new Map<string, Count>()
    const key = keyOf(source, split)
    const count = counts.get(key) ?? { read: 0, records: 0 }
    counts.set(key, count)
    return count
  }
}

function rawFrom(part: Batch | undefined, from: number): Batch | undefined {
  const { rawOf } = part ?? {}
  return part === undefined || rawOf === undefined ? part : { ...part, rawOf: (row) => rawOf(from + row) }
}

function bytesPart(batch: Batch, body: BytesBody, from: number, to: number): Batch {
  const start = recordStart(body, from)
  const end = recordStart(body, to)
  return {
    ...batch,
    // Positions between records are the source's secret: a part has the place of its batch.
    rows: to - from,
    bytes: end - start,
    body: {
      kind: 'bytes',
      buffer: body.buffer.subarray(start, end),
      length: end - start,
      separator: body.separator,
      ...(body.ends && { ends: body.ends.slice(from, to).map((one) => one - start) }),
      ...(body.metadata && { metadata: metadataPart(body.metadata, from, to) }),
    },
  }
}

function recordStart(body: BytesBody, row: number): number {
  if (body.ends !== undefined) return row === 0 ? 0 : (body.ends[row - 1] ?? 0) + 1
  let start = 0
  for (let passed = 0; passed < row; passed++) start = body.buffer.indexOf(body.separator, start) + 1
  return start
}

function metadataPart(metadata: RecordMetadata, from: number, to: number): RecordMetadata {
  return Object.fromEntries(Object.entries(metadata).map(([name, values]) => [name, values.slice(from, to)]))
}

function keyOf(source: string, split: string): string {
  return `${source}\n${split}`
}
