import { MillraceError } from '../../core/errors.ts'
import { messageIndexBytes, messageIndexesAt } from '../../formats/protobuf/message-indexes.ts'
import type { SchemaKind } from './message-coder.ts'
import { problemOf } from './protobuf-check.ts'

/**
 * A message of a `.proto` text, the first one unless it is named. 64-bit integers are `bigint`, bytes `Buffer`, enums their
 * names, and fields have the names of the file.
 */
export function protobufKind<T extends object>(schema: string, message?: string): SchemaKind<T> {
  return {
    type: 'PROTOBUF',
    schema,
    async load() {
      const { ProtobufFile } = await import('../../formats/protobuf/protobuf-file.ts')
      const file = new ProtobufFile(schema)
      const type = file.message(message)
      const indexes = messageIndexBytes(file.indexesOf(type))
      const wanted = type.fullName
      return {
        encode(value) {
          const problem = problemOf(type, value)
          if (problem !== undefined) throw new TypeError(problem)
          return Buffer.concat([indexes, type.encode(type.fromObject(value)).finish()])
        },
        reader(writerSchema) {
          const writer = writerSchema === schema ? file : new ProtobufFile(writerSchema)
          return (body) => {
            const { indexes: place, at } = messageIndexesAt(body, 0, body.length)
            const written = writer.messageAt(place).fullName
            if (written !== wanted) throw other(written, wanted)
            const read = type.decode(body.subarray(at))
            return type.toObject(read, { longs: BigInt, enums: String, bytes: Buffer, defaults: true }) as T
          }
        },
      }
    },
  }
}

function other(written: string, wanted: string): MillraceError {
  return new MillraceError(`it is a ${written}, not a ${wanted}`, { code: 'DECODE' })
}
