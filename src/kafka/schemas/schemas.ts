import { SchemaRegistry, type RegistryOptions } from '../../clients/schema-registry/index.ts'
import { registryFromEnvironment } from '../environment.ts'
import type { RetryOptions } from '../retries.ts'
import { avroKind } from './avro-kind.ts'
import { jsonKind } from './json-kind.ts'
import { protobufKind } from './protobuf-kind.ts'
import { SchemaCodec, type CodecOptions } from './schema-codec.ts'

export interface SchemasOptions extends RegistryOptions {
  /** How often a registry that is away, or a schema that it does not know yet, is asked for. Default: 6 times, within seconds. */
  readonly retry?: RetryOptions
}

/**
 * Messages with schemas of a registry with Confluent's API, in Confluent's wire format.
 *
 *     const orders = new Schemas({ url }).avro<Order>({ subject: 'orders-value', schema })
 *     await producer.send({ topic: 'orders', value: await orders.encode(order) })
 */
export class Schemas {
  readonly #registry: SchemaRegistry
  readonly #retry: RetryOptions

  constructor({ retry = {}, ...registry }: SchemasOptions) {
    this.#registry = new SchemaRegistry(registry)
    this.#retry = { attempts: 6, baseMs: 200, maxMs: 5000, ...retry }
  }

  /** As the environment says: `MILLRACE_KAFKA_REGISTRY_URL` and others, see `KAFKA_ENVIRONMENT`. */
  static fromEnvironment(environment: Readonly<Record<string, string | undefined>> = process.env): Schemas {
    return new Schemas(registryFromEnvironment(environment))
  }

  /** Longs are `bigint`, decimals `JsonNumber`. Messages of older and newer schemas are read as this one says. */
  avro<T>(options: CodecOptions & { readonly schema: object | string }): SchemaCodec<T> {
    return new SchemaCodec(this.#registry, avroKind<T>(options.schema), options, this.#retry)
  }

  /** Values are checked when they are written and when they are read, and keep all digits of their numbers. */
  json<T>(options: CodecOptions & { readonly schema: object | string }): SchemaCodec<T> {
    return new SchemaCodec(this.#registry, jsonKind<T>(options.schema), options, this.#retry)
  }

  /** `schema` is the text of a `.proto` file, `message` the name of one in it; default: the first. */
  protobuf<T extends object>(
    options: CodecOptions & { readonly schema: string; readonly message?: string },
  ): SchemaCodec<T> {
    return new SchemaCodec(this.#registry, protobufKind<T>(options.schema, options.message), options, this.#retry)
  }
}
