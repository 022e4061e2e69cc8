import { MillraceError, wrapError } from '../../core/errors.ts'
import type { SchemaRegistry } from '../../clients/schema-registry/index.ts'
import { tryRepeatedly, type RetryOptions } from '../retries.ts'
import type { MessageCoder, SchemaKind } from './message-coder.ts'

/** A zero, then the schema's id: how messages of Confluent's serializers begin. */
const ID_BYTES = 5

export interface CodecOptions {
  /** Where the schema's versions are: by custom the topic and `-value` or `-key`. */
  readonly subject: string
  /** `false`: only a schema that is in the subject already is used. Default: it becomes the next version. */
  readonly register?: boolean
}

/**
 * Messages with a schema of a registry. Before the first one is written the registry has to call the schema compatible with
 * the subject's. Schemas that were met are kept: while the registry is away, what is known goes on. What is not known is
 * asked for again and again, and then is an error.
 */
export class SchemaCodec<T> {
  readonly #registry: SchemaRegistry
  readonly #kind: SchemaKind<T>
  readonly #options: CodecOptions
  readonly #retry: RetryOptions
  readonly #readers = new Map<number, (body: Buffer) => T>()
  readonly #learning = new Map<number, Promise<void>>()
  #coder: Promise<MessageCoder<T>> | undefined
  #writing: { readonly id: number; readonly coder: MessageCoder<T> } | undefined
  #preparing: Promise<void> | undefined

  constructor(registry: SchemaRegistry, kind: SchemaKind<T>, options: CodecOptions, retry: RetryOptions) {
    this.#registry = registry
    this.#kind = kind
    this.#options = options
    this.#retry = retry
  }

  /** The bytes of a message; a promise only before the schema has its id. */
  encode(value: T): Buffer | Promise<Buffer> {
    return this.#writing === undefined ? this.#encodeLater(value) : this.#encodeNow(value, this.#writing)
  }

  /** The value of a message; a promise only when its schema was not met before. */
  decode(bytes: Uint8Array): T | Promise<T> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (buffer.length < ID_BYTES || buffer[0] !== 0)
      throw this.#error('reading a message', 'it does not begin with the id of a schema', 'DECODE')
    const id = buffer.readInt32BE(1)
    const read = this.#readers.get(id)
    return read === undefined ? this.#decodeLater(id, buffer) : this.#read(read, id, buffer)
  }

  async #encodeLater(value: T): Promise<Buffer> {
    await (this.#preparing ??= this.#prepare().finally(() => (this.#preparing = undefined)))
    return await this.encode(value)
  }

  #encodeNow(value: T, { id, coder }: { readonly id: number; readonly coder: MessageCoder<T> }): Buffer {
    let body: Uint8Array
    try {
      body = coder.encode(value)
    } catch (cause) {
      throw this.#error('writing a message', (cause as Error).message, 'SCHEMA', cause)
    }
    const message = Buffer.allocUnsafe(ID_BYTES + body.length)
    message[0] = 0
    message.writeInt32BE(id, 1)
    message.set(body, ID_BYTES)
    return message
  }

  async #prepare(): Promise<void> {
    const coder = await this.#load()
    const id = await this.#patiently(() => this.#obtainId(), ['UNAVAILABLE'])
    this.#writing = { id, coder }
    this.#readers.set(id, coder.reader(this.#kind.schema))
  }

  async #obtainId(): Promise<number> {
    const { subject, register = true } = this.#options
    const { type, schema } = this.#kind
    const known = await this.#registry.find(subject, type, schema)
    if (known !== undefined) return known
    if (!register) throw this.#error('writing a message', 'the schema is not registered', 'SCHEMA')
    const { isCompatible, reasons } = await this.#registry.compatibility(subject, type, schema)
    const why = reasons.join('; ') || 'the registry does not say why'
    if (!isCompatible) throw this.#error('writing a message', `the schema is not compatible: ${why}`, 'SCHEMA')
    return await this.#registry.register(subject, type, schema)
  }

  async #decodeLater(id: number, buffer: Buffer): Promise<T> {
    const learning = this.#learning.get(id) ?? this.#learn(id).finally(() => this.#learning.delete(id))
    this.#learning.set(id, learning)
    await learning
    return await this.decode(buffer)
  }

  async #learn(id: number): Promise<void> {
    const coder = await this.#load()
    // A schema that was just registered may not be known everywhere: DECODE is what the registry's 404 becomes.
    const { type, schema } = await this.#patiently(() => this.#registry.schema(id), ['UNAVAILABLE', 'DECODE'])
    if (type !== this.#kind.type)
      throw this.#error('reading a message', `its schema ${id} is ${type}, not ${this.#kind.type}`, 'SCHEMA')
    try {
      this.#readers.set(id, coder.reader(schema))
    } catch (cause) {
      throw this.#error(`reading messages of schema ${id}`, (cause as Error).message, 'SCHEMA', cause)
    }
  }

  #read(read: (body: Buffer) => T, id: number, buffer: Buffer): T {
    try {
      return read(buffer.subarray(ID_BYTES))
    } catch (cause) {
      throw this.#error(`reading a message of schema ${id}`, (cause as Error).message, 'DECODE', cause)
    }
  }

  #load(): Promise<MessageCoder<T>> {
    const loading = (this.#coder ??= this.#kind.load())
    loading.catch(() => (this.#coder = undefined))
    return loading
  }

  async #patiently<R>(ask: () => Promise<R>, passing: readonly string[]): Promise<R> {
    const isRetryable = (error: unknown): boolean => error instanceof MillraceError && passing.includes(error.code)
    const tried = await tryRepeatedly(ask, { ...this.#retry, isRetryable }, new AbortController().signal)
    if (tried.ok) return tried.value
    throw wrapError(tried.error, `${this.#options.subject} (asked ${tried.attempts} times)`)
  }

  #error(doing: string, said: string, code: 'DECODE' | 'SCHEMA', cause?: unknown): MillraceError {
    const { subject } = this.#options
    return new MillraceError(`${doing} of ${subject}: ${said}`, { code, cause, detail: { subject } })
  }
}
