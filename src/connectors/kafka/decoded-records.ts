import type { Item } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import { BadMessage } from '../../formats/changes/index.ts'
import { RowBuffer } from '../../formats/changes/row-buffer.ts'
import type { RecordTarget } from '../../clients/kafka/index.ts'
import { messageAt, noChange } from './message-at.ts'
import type { KafkaSourceOptions } from './options.ts'
import type { RecordConsumer } from './reader.ts'
import { faultOf, RawRecords } from './raw-records.ts'
import { offsetToJson, type KafkaSplit } from './split.ts'
import { openValueDecoder, type ValueDecoder } from './value-decoder.ts'

/** Records whose values are Avro or Protobuf: each is written as JSON, by the schema that it was written with. */
export class DecodedRecords implements RecordConsumer {
  readonly #format: string
  readonly #open: () => Promise<ValueDecoder>
  #decoder: Promise<ValueDecoder> | undefined
  readonly #separator: number
  readonly #free: RowBuffer[] = []
  readonly #takesBroken: boolean
  readonly #keepsRaw: boolean
  #isTraced = false

  constructor(options: KafkaSourceOptions, context: LaneContext) {
    const { format, baseDirectory, takesBroken = false, keepsRaw = takesBroken } = context
    this.#takesBroken = takesBroken
    this.#keepsRaw = keepsRaw
    this.#format = options.format
    this.#open = () => openValueDecoder(options, baseDirectory)
    this.#separator = format.kind === 'bytes' ? format.separator : 0x0a
  }

  placed({ isTraced }: { readonly isTraced?: boolean }): void {
    if (isTraced !== true) return
    this.#isTraced = true
    this.#free.length = 0
  }

  async itemsOf(
    place: Pick<KafkaSplit, 'topic' | 'partition'>,
    split: string,
    range: { readonly from: bigint; readonly next: bigint },
    target: RecordTarget,
  ): Promise<Item[]> {
    const decoder = await (this.#decoder ??= this.#open())
    const rows = this.#free.pop() ?? new RowBuffer(this.#separator, this.#isTraced)
    const raw = this.#keepsRaw ? new RawRecords(target) : undefined
    for (let row = 0; row < target.rows; row++) {
      const offset = target.offsets[row] ?? 0n
      try {
        const { buffer, from, to, isNull } = messageAt(place.topic, target, row)
        if (isNull) throw new BadMessage('it has no value')
        const missing = decoder.missing(buffer, from, to)
        if (missing !== undefined) await decoder.learn(missing)
        decoder.decode(buffer, from, to, rows)
        rows.endWhole()
        rows.trace(offset)
        raw?.read(row)
      } catch (error) {
        const fault = this.#takesBroken ? faultOf(error) : undefined
        if (raw === undefined || fault === undefined) {
          if (!(error instanceof BadMessage)) throw error
          throw noChange(error.message, this.#format, { ...place, offset: String(offset) })
        }
        rows.undo()
        raw.giveUp(row, fault)
      }
    }
    const offsets = raw?.offsets ?? (rows.traces && BigInt64Array.from(rows.traces.offsets))
    return [
      {
        kind: 'batch',
        split,
        from: offsetToJson(range.from),
        next: offsetToJson(range.next),
        body: {
          kind: 'bytes',
          buffer: rows.buffer,
          length: rows.length,
          separator: this.#separator,
          ...(rows.traces && { ends: Uint32Array.from(rows.traces.ends) }),
          ...(offsets && { metadata: { offset: offsets } }),
        },
        ...(raw && { rawOf: raw.rawOf, ...(raw.unread.length > 0 && { unread: raw.unread }) }),
        rows: rows.rows,
        bytes: rows.length,
        release: () => this.#release(rows),
      },
    ]
  }

  #release(rows: RowBuffer): void {
    if (this.#isTraced) return
    rows.reset()
    if (this.#free.length < 8) this.#free.push(rows)
  }
}
