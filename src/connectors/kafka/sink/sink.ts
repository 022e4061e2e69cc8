import type { Finding } from '../../../core/checkpoint-types.ts'
import type { CoordinatorContext, LaneContext, PreflightContext } from '../../../core/context.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../../core/sink.ts'
import { assert } from '../../../core/assert.ts'
import type { LaneDatabase } from '../../../dataplane/index.ts'
import { IMPATIENT, openClient } from '../connect.ts'
import { checkKafkaSink } from './check.ts'
import { KafkaCoordinator } from './coordinator.ts'
import { ValuesEncoder, type RecordEncoder } from './encoder.ts'
import { LaneProducer } from './lane-producer.ts'
import { isBinary, type KafkaSinkOptions } from './options.ts'
import { readsColumns, recordSql } from './record-columns.ts'
import { openValueFormat } from './value-format.ts'
import { KafkaWriter } from './writer.ts'

/** Writes a topic in transactions, one for each lane and checkpoint. */
export class KafkaSink implements Sink {
  readonly #options: KafkaSinkOptions

  constructor(options: KafkaSinkOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    await using client = openClient(this.#options, IMPATIENT)
    return await checkKafkaSink(this.#options, client, context)
  }

  writer(context: LaneContext): SinkWriter {
    const producer = new LaneProducer(this.#options, openClient(this.#options), context)
    return new KafkaWriter(producer, () => this.#openEncoder(context))
  }

  coordinator(context: CoordinatorContext): SinkCoordinator {
    return new KafkaCoordinator(this.#options, openClient(this.#options), context)
  }

  async #openEncoder(context: LaneContext): Promise<RecordEncoder> {
    if (!readsColumns(this.#options)) return new ValuesEncoder()
    assert(context.schema !== undefined, 'the plan knows the columns that records are made of')
    const { noRecord, TableEncoder } = await import('./table-encoder.ts')
    const sql = recordSql(this.#options, context.schema)
    if (!('value' in sql)) throw noRecord(sql)
    const format = isBinary(this.#options)
      ? await openValueFormat(this.#options, sql.valueColumns, context.baseDirectory)
      : undefined
    // The lane's database is the data plane's; core hands it on without knowing it.
    return new TableEncoder((await context.database()) as LaneDatabase, context.schema, this.#options, format)
  }
}
