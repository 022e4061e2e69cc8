import type { Finding } from '../../core/checkpoint-types.ts'
import type { CoordinatorContext, LaneContext, PreflightContext } from '../../core/context.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { DorisTwoPhaseLoads } from '../../clients/stream-load/index.ts'
import { keeperOf } from '../../clients/stream-load/loader/body-keeper.ts'
import { checkpointLabel } from '../../clients/stream-load/loader/checkpoint-label.ts'
import { endpointOf } from '../../clients/stream-load/loader/load-options.ts'
import { LoadWriter } from '../../clients/stream-load/loader/load-writer.ts'
import { DorisCheckpointLoad } from './writer.ts'
import { checkDoris } from './check.ts'
import { dorisCoordinator } from './coordinator.ts'
import { loadHeaders } from './load-headers.ts'
import type { DorisSinkOptions } from './options.ts'
import { dorisTablesCoordinator, dorisTablesWriter } from './tables.ts'

/** Stream load with two-phase commit: one request, or several, per lane and checkpoint. */
export class DorisSink implements Sink {
  readonly #options: DorisSinkOptions

  constructor(options: DorisSinkOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    await using loads = new DorisTwoPhaseLoads(endpointOf(this.#options))
    return await checkDoris(this.#options, loads, context)
  }

  writer(context: LaneContext): SinkWriter {
    const options = this.#options
    const loads = new DorisTwoPhaseLoads(endpointOf(options))
    if (options.routes !== undefined) return dorisTablesWriter(options, context, loads)
    const target = { database: options.database, table: options.table ?? '' }
    const headers = loadHeaders(options, context.format, context.schema)
    return new LoadWriter(
      (ticket) =>
        new DorisCheckpointLoad({
          loads,
          ...target,
          labelOf: (load) => checkpointLabel(options, context, target, ticket, load),
          headers,
          compression: options.compression,
          meter: context.meter,
          loadBytesMax: options.loadBytesMax,
          isAtLeastOnce: context.delivery === 'at-least-once',
          keeper: keeperOf(options, context, headers),
        }),
      () => loads[Symbol.asyncDispose](),
    )
  }

  coordinator(context: CoordinatorContext): SinkCoordinator {
    const coordinator = this.#options.routes === undefined ? dorisCoordinator : dorisTablesCoordinator
    return coordinator(this.#options, context, new DorisTwoPhaseLoads(endpointOf(this.#options)))
  }
}
