import { resolve } from 'node:path'
import { assert } from '../../core/assert.ts'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { ConnectorContext, CoordinatorContext, LaneContext, PreflightContext } from '../../core/context.ts'
import type { Schema } from '../../core/schema.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { type StoredSchema, storedSchema } from './avro-schema.ts'
import { HudiCoordinator } from './coordinator.ts'
import type { HudiSinkOptions } from './options.ts'
import type { HudiTable } from './table.ts'
import { HudiWriter } from './writer.ts'

/** Appends rows to a Hudi table: lanes write Parquet files, the coordinator makes each checkpoint's files one commit. */
export class HudiSink implements Sink {
  readonly #options: HudiSinkOptions

  constructor(options: HudiSinkOptions) {
    this.#options = options
  }

  /** Nothing is opened here, for opening a store makes its directory: the coordinator looks before the first row. */
  async check(context: PreflightContext): Promise<readonly Finding[]> {
    const stored = context.schema === undefined ? undefined : storedSchema(this.#options.table, context.schema)
    return stored !== undefined && 'findings' in stored ? stored.findings : []
  }

  writer(context: LaneContext): SinkWriter {
    const { targetFileSize, compression } = this.#options
    const stored = this.#stored(context.schema)
    return new HudiWriter(this.#onStore(context), {
      address: this.#address(context),
      stored,
      targetFileSize,
      compression,
    })
  }

  coordinator(context: CoordinatorContext): SinkCoordinator {
    const target = { address: this.#address(context), table: this.#table(), stored: this.#stored(context.schema) }
    return new HudiCoordinator(this.#onStore(context), target)
  }

  #stored(schema: Schema | undefined): StoredSchema {
    assert(schema !== undefined, 'the plan refuses a hudi sink without a schema')
    const stored = storedSchema(this.#options.table, schema)
    assert('avro' in stored, 'the plan refuses columns that cannot be stored')
    return stored
  }

  /** The context with the object storage of this sink. */
  #onStore<C extends ConnectorContext>(context: C): C {
    const { s3 } = this.#options
    return { ...context, openStore: (address) => context.openStore(address, { s3 }) }
  }

  #table(): HudiTable {
    const { table: name, database, partitionBy, hiveStyle } = this.#options
    // Encoded paths: a value with a slash in it would otherwise stop the job.
    return { name, database, partitionFields: partitionBy, recordKeyFields: [], hiveStyle, urlEncode: true }
  }

  #address({ baseDirectory }: ConnectorContext): string {
    const { path } = this.#options
    return path.includes('://') ? path : resolve(baseDirectory, path)
  }
}
