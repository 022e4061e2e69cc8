import type { ChangeMessage } from '../changes/change-format.ts'
import { BadMessage } from '../changes/json-members.ts'
import { AvroJson } from './avro-json.ts'

/** A zero, then the schema's id: how messages of Confluent's serializers begin. */
export const ID_BYTES = 5

/** Answers with the text of a schema. */
export type SchemaOf = (id: number) => Promise<string>

/** Schemas that were met, made ready. Messages are read without waiting; what they need is fetched before. */
export class AvroSchemas<T> {
  readonly #schemaOf: SchemaOf
  readonly #make: (avro: AvroJson) => T
  readonly #known = new Map<number, T>()

  constructor(schemaOf: SchemaOf, make: (avro: AvroJson) => T) {
    this.#schemaOf = schemaOf
    this.#make = make
  }

  knows(id: number): boolean {
    return this.#known.has(id)
  }

  async learn(id: number): Promise<void> {
    if (!this.#known.has(id)) this.#known.set(id, this.#make(new AvroJson(await this.#schemaOf(id))))
  }

  get(id: number): T {
    const found = this.#known.get(id)
    if (found === undefined) throw new BadMessage(`its schema ${id} is not known`)
    return found
  }
}

export function schemaIdAt(buffer: Buffer, from: number, to: number): number {
  if (to - from < ID_BYTES || buffer[from] !== 0)
    throw new BadMessage('it does not begin with the id of a schema, as serializers with a schema registry write it')
  return buffer.readInt32BE(from + 1)
}

/** Ids of the schemas of a message, of its value and, if `withKey`, of its key. */
export function schemaIds(message: ChangeMessage, withKey: boolean): number[] {
  const ids =
    message.isNull || message.from === message.to ? [] : [schemaIdAt(message.buffer, message.from, message.to)]
  return withKey && message.keyTo > message.keyFrom
    ? [...ids, schemaIdAt(message.keyBuffer, message.keyFrom, message.keyTo)]
    : ids
}
