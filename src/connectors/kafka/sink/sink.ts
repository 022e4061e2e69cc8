import type { Finding } from '../../../core/checkpoint-types.ts'
import type { CoordinatorContext, LaneContext, PreflightContext } from '../../../core/context.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../../core/sink.ts'
import { IMPATIENT, openClient } from '../connect.ts'
import { checkKafkaSink } from './check.ts'
import { KafkaCoordinator } from './coordinator.ts'
import { ValuesEncoder, type RecordEncoder } from './encoder.ts'
import { LaneProducer } from './lane-producer.ts'
import type { KafkaSinkOptions } from './options.ts'
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

  async #openEncoder(_context: LaneContext): Promise<RecordEncoder> {
    return new ValuesEncoder()
  }
}
