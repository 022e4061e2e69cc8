import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { assert } from '../../core/assert.ts'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { ConnectorContext, CoordinatorContext, LaneContext, PreflightContext } from '../../core/context.ts'
import type { Schema } from '../../core/schema.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { storedSchema } from './avro-schema.ts'
import { HudiCoordinator, type HudiTarget } from './coordinator.ts'
import { examineTable } from './open-table.ts'
import type { HudiSinkOptions } from './options.ts'
import { partitionColumns } from './partition-columns.ts'
import type { HudiTable } from './table.ts'
import { HudiWriter } from './writer.ts'

/** Appends rows to a Hudi table: lanes write Parquet files, the coordinator makes each checkpoint's files one commit. */
export class HudiSink implements Sink {
  readonly #options: HudiSinkOptions

  constructor(options: HudiSinkOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    const { schema } = context
    // What the rows lack was said when planning.
    if (schema === undefined || 'findings' in this.#storedOrFindings(schema)) return []
    const target = this.#target(context, schema)
    // Opening a store of the local disk would make its directory.
    if (!target.address.includes('://') && !existsSync(target.address)) return []
    const { findings } = await examineTable(await this.#withStore(context).openStore(target.address), target)
    return findings.map((finding) => ({ ...finding, path: ['path'] }))
  }

  writer(context: LaneContext): SinkWriter {
    const { targetFileSize, compression } = this.#options
    const { address, stored } = this.#target(context, context.schema)
    return new HudiWriter(this.#withStore(context), { address, stored, targetFileSize, compression })
  }

  coordinator(context: CoordinatorContext): SinkCoordinator {
    return new HudiCoordinator(this.#withStore(context), this.#target(context, context.schema))
  }

  #withStore<C extends ConnectorContext>(context: C): C {
    const { s3 } = this.#options
    return { ...context, openStore: (address) => context.openStore(address, { s3 }) }
  }

  #target(context: ConnectorContext, schema: Schema | undefined): HudiTarget {
    assert(schema !== undefined, 'the plan refuses a hudi sink without a schema')
    const { schemaChange } = this.#options
    const stored = this.#storedOrFindings(schema)
    assert('avro' in stored, 'the plan refuses columns that cannot be stored')
    return { address: this.#address(context), table: this.#table(), stored, schemaChange, rules: this.#options }
  }

  #storedOrFindings(schema: Schema): ReturnType<typeof storedSchema> {
    const { table, partitionBy } = this.#options
    return storedSchema(table, schema, partitionColumns(partitionBy))
  }

  #table(): HudiTable {
    const { table: name, database, partitionBy, hiveStyle } = this.#options
    // Encoded paths: a value with a slash in it would otherwise stop the job.
    const partitionFields = partitionColumns(partitionBy).map((column) => column.name)
    return { name, database, partitionFields, recordKeyFields: [], hiveStyle, urlEncode: true }
  }

  #address({ baseDirectory }: ConnectorContext): string {
    const { path } = this.#options
    return path.includes('://') ? path : resolve(baseDirectory, path)
  }
}
