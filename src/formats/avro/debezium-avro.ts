import type { ChangeCollector } from '../changes/change-collector.ts'
import type { ChangeFormat, ChangeMessage } from '../changes/change-format.ts'
import { DebeziumJson } from '../changes/debezium-json.ts'
import { RowBuffer } from '../changes/row-buffer.ts'
import { AvroCursor } from './avro-cursor.ts'
import type { AvroJson } from './avro-json.ts'
import { AvroSchemas, ID_BYTES, schemaIdAt, schemaIds, type SchemaOf } from './avro-schemas.ts'

interface Known {
  readonly avro: AvroJson
  /** Made of a value's schema when the first value comes with it: keys have no envelope. */
  envelope: DebeziumJson | undefined
}

/** Debezium's envelope in Avro: written as JSON, with all values as our rows have them, and read as that. */
export class DebeziumAvro implements ChangeFormat {
  readonly #schemas: AvroSchemas<Known>
  readonly #cursor = new AvroCursor()
  readonly #value = new RowBuffer(0)
  readonly #key = new RowBuffer(0)

  constructor(schemaOf: SchemaOf) {
    this.#schemas = new AvroSchemas(schemaOf, (avro) => ({ avro, envelope: undefined }))
  }

  missing(message: ChangeMessage): number[] {
    return schemaIds(message, true).filter((id) => !this.#schemas.knows(id))
  }

  learn(schema: number): Promise<void> {
    return this.#schemas.learn(schema)
  }

  decode(message: ChangeMessage, out: ChangeCollector): void {
    const { topic, buffer, from, to, keyBuffer, keyFrom, keyTo, isNull } = message
    if (isNull || from === to) return
    const known = this.#schemas.get(schemaIdAt(buffer, from, to))
    known.envelope ??= new DebeziumJson(known.avro.columns('after'), true)
    this.#write(known.avro, buffer, from, to, this.#value)
    this.#key.reset()
    if (keyTo > keyFrom)
      this.#write(this.#schemas.get(schemaIdAt(keyBuffer, keyFrom, keyTo)).avro, keyBuffer, keyFrom, keyTo, this.#key)
    known.envelope.decode(
      {
        topic,
        buffer: this.#value.buffer,
        from: 0,
        to: this.#value.length,
        isNull: false,
        keyBuffer: this.#key.buffer,
        keyFrom: 0,
        keyTo: this.#key.length,
      },
      out,
    )
  }

  #write(avro: AvroJson, buffer: Buffer, from: number, to: number, out: RowBuffer): void {
    out.reset()
    this.#cursor.open(buffer, from + ID_BYTES, to)
    avro.write(this.#cursor, out)
  }
}
