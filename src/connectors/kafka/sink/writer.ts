import { assert } from '../../../core/assert.ts'
import type { Batch } from '../../../core/batch.ts'
import type { CheckpointId } from '../../../core/checkpoint-types.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { CutResult, SinkWriter } from '../../../core/sink.ts'
import { CheckpointRecords } from './checkpoint-records.ts'
import { ticketOf } from './committable.ts'
import type { RecordEncoder } from './encoder.ts'
import type { LaneProducer } from './lane-producer.ts'

/** The lane's side of the sink. While one checkpoint's transaction is prepared the next one takes rows already. */
export class KafkaWriter implements SinkWriter {
  readonly #producer: LaneProducer
  readonly #openEncoder: () => Promise<RecordEncoder>
  #encoder: Promise<RecordEncoder> | undefined
  #current: CheckpointRecords | undefined
  readonly #preparing = new Set<CheckpointRecords>()
  #earlier: Promise<unknown> = Promise.resolve()

  constructor(producer: LaneProducer, openEncoder: () => Promise<RecordEncoder>) {
    this.#producer = producer
    this.#openEncoder = openEncoder
  }

  begin(_checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#current = new CheckpointRecords(this.#producer, ticketOf(ticket), this.#earlier)
  }

  async write(batch: Batch): Promise<void> {
    const current = this.#current
    assert(current !== undefined, 'a writer is begun before it is written to')
    const encoder = await (this.#encoder ??= this.#openEncoder())
    await current.write(batch, encoder)
  }

  async cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult> {
    const current = this.#current
    assert(current !== undefined, 'a writer is begun before it is cut')
    this.#preparing.add(current)
    const preparing = current.prepare()
    this.#earlier = preparing
    preparing.catch(() => undefined)
    this.begin(next.checkpoint, next.ticket)
    const result = await preparing
    this.#preparing.delete(current)
    failpoint('sink.prepare', 'after')
    return result
  }

  async rollback(): Promise<void> {
    const open = [...this.#preparing, ...(this.#current === undefined ? [] : [this.#current])]
    this.#current = undefined
    this.#preparing.clear()
    await Promise.all(open.map((records) => records.discard()))
    this.#earlier = Promise.resolve()
    this.#producer.dropPlain()
  }

  async close(): Promise<void> {
    const encoder = await this.#encoder?.catch(() => undefined)
    encoder?.close()
    await this.#producer.client.close()
  }
}
