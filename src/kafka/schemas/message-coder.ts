import type { SchemaType } from '../../clients/schema-registry/index.ts'

/** Writes and reads the part of a message behind its schema's id. */
export interface MessageCoder<T> {
  encode(value: T): Uint8Array
  /** A function for messages that were written with a schema, given as its text. */
  reader(writerSchema: string): (body: Buffer) => T
}

/** A schema of ours: its text, and what it takes to use it, loaded when it is first used. */
export interface SchemaKind<T> {
  readonly type: SchemaType
  readonly schema: string
  load(): Promise<MessageCoder<T>>
}
