import type { Schema } from '../../core/schema.ts'
import { ID_BYTES, schemaIdAt, type SchemaOf } from '../../formats/avro/avro-schemas.ts'
import { BadMessage } from '../../formats/changes/index.ts'
import type { RowBuffer } from '../../formats/changes/row-buffer.ts'
import { messageIndexesAt } from '../../formats/protobuf/message-indexes.ts'
import { ProtobufFile } from '../../formats/protobuf/protobuf-file.ts'
import { ProtobufJson } from '../../formats/protobuf/protobuf-json.ts'
import type { ValueDecoder } from './value-decoder.ts'

export function protobufColumns(schema: string, message: string | undefined): Schema {
  return new ProtobufJson(new ProtobufFile(schema).message(message)).columns()
}

/** Values that are one message each, without anything before it. */
export function plainProtobuf(schema: string, message: string | undefined): ValueDecoder {
  const json = new ProtobufJson(new ProtobufFile(schema).message(message))
  return {
    missing: () => undefined,
    learn: () => Promise.resolve(),
    decode: (buffer, from, to, out) => json.write(buffer, from, to, out),
  }
}

/** Values that begin with the id of their schema and the place of their message in it. */
export class RegisteredProtobuf implements ValueDecoder {
  readonly #schemaOf: SchemaOf
  readonly #files = new Map<number, ProtobufFile>()
  readonly #messages = new Map<string, ProtobufJson>()

  constructor(schemaOf: SchemaOf) {
    this.#schemaOf = schemaOf
  }

  missing(buffer: Buffer, from: number, to: number): number | undefined {
    const id = schemaIdAt(buffer, from, to)
    return this.#files.has(id) ? undefined : id
  }

  async learn(schema: number): Promise<void> {
    this.#files.set(schema, new ProtobufFile(await this.#schemaOf(schema)))
  }

  decode(buffer: Buffer, from: number, to: number, out: RowBuffer): void {
    const id = schemaIdAt(buffer, from, to)
    const { indexes, at } = messageIndexesAt(buffer, from + ID_BYTES, to)
    const name = `${id}/${indexes.join('/')}`
    let json = this.#messages.get(name)
    if (json === undefined) {
      const file = this.#files.get(id)
      if (file === undefined) throw new BadMessage(`its schema ${id} is not known`)
      json = new ProtobufJson(file.messageAt(indexes))
      this.#messages.set(name, json)
    }
    json.write(buffer, at, to, out)
  }
}
