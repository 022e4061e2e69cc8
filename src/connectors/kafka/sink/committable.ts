import type { JsonObject } from '../../../core/json.ts'
import { MillraceError } from '../../../core/errors.ts'
import type { TransactionHandle } from '../../../clients/kafka/index.ts'

/** What the lanes are told about a checkpoint. */
export interface KafkaTicket {
  readonly epoch: number
  readonly checkpoint: number
  /** Which of its transactional ids each lane takes. */
  readonly slot: number
}

/** One lane's transaction of a checkpoint, as manifests carry it. */
export interface KafkaCommittable {
  readonly handle: TransactionHandle
  readonly lane: number
  readonly epoch: number
  readonly checkpoint: number
  readonly slot: number
  readonly rows: number
}

export function ticketOf(json: JsonObject): KafkaTicket {
  const { epoch, checkpoint, slot } = json
  if (typeof epoch !== 'number' || typeof checkpoint !== 'number' || typeof slot !== 'number') throw unreadable(json)
  return { epoch, checkpoint, slot }
}

/** Producer ids are 64 bits wide, so they are stored as text. */
export function committableToJson({ handle, lane, epoch, checkpoint, slot, rows }: KafkaCommittable): JsonObject {
  const { transactionalId, producerId, producerEpoch } = handle
  return { transactionalId, producerId: String(producerId), producerEpoch, lane, epoch, checkpoint, slot, rows }
}

export function committableOf(json: JsonObject): KafkaCommittable {
  const { transactionalId, producerId, producerEpoch, lane, epoch, checkpoint, slot, rows } = json
  const numbers = [producerEpoch, lane, epoch, checkpoint, slot, rows]
  if (typeof transactionalId !== 'string' || typeof producerId !== 'string' || !/^\d+$/.test(producerId))
    throw unreadable(json)
  if (!numbers.every((number) => typeof number === 'number')) throw unreadable(json)
  const [producerEpochNumber = 0, laneNumber = 0, epochNumber = 0, checkpointNumber = 0, slotNumber = 0, count = 0] =
    numbers
  return {
    handle: { transactionalId, producerId: BigInt(producerId), producerEpoch: producerEpochNumber },
    lane: laneNumber,
    epoch: epochNumber,
    checkpoint: checkpointNumber,
    slot: slotNumber,
    rows: count,
  }
}

function unreadable(json: JsonObject): MillraceError {
  return new MillraceError(`a Kafka transaction cannot be read: ${JSON.stringify(json)}`, { code: 'STORE_CORRUPT' })
}
