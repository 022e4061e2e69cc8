import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { FetchPosition } from '../../clients/kafka/index.ts'

/** What a partition is, apart from where reading stands. Offsets mean something only together with the topic's id. */
export interface KafkaSplit {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
}

export function splitIdOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`
}

export function splitToJson(split: KafkaSplit): JsonObject {
  return { topic: split.topic, topicId: split.topicId, partition: split.partition }
}

export function splitFromJson(json: JsonObject): KafkaSplit {
  const { topic, topicId, partition } = json
  if (typeof topic !== 'string' || typeof topicId !== 'string' || typeof partition !== 'number') throw unreadable(json)
  return { topic, topicId, partition }
}

/** Offsets are 64 bits wide, so they are stored as text. */
export function offsetToJson(offset: bigint): JsonObject {
  return { offset: String(offset) }
}

export function offsetFromJson(json: JsonObject): bigint {
  const { offset } = json
  if (typeof offset !== 'string' || !/^\d+$/.test(offset)) throw unreadable(json)
  return BigInt(offset)
}

export function fetchPosition(spec: JsonObject, at: JsonObject): FetchPosition {
  return { ...splitFromJson(spec), offset: offsetFromJson(at) }
}

function unreadable(json: JsonObject): MillraceError {
  return new MillraceError(`a Kafka position cannot be read: ${JSON.stringify(json)}`, { code: 'STORE_CORRUPT' })
}
