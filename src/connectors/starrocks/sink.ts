import type { Finding } from '../../core/checkpoint-types.ts'
import type { CoordinatorContext, LaneContext, PreflightContext } from '../../core/context.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { StarRocksTransactions } from '../../clients/stream-load/index.ts'
import { keeperOf } from '../../clients/stream-load/loader/body-keeper.ts'
import { checkpointLabel } from '../../clients/stream-load/loader/checkpoint-label.ts'
import { endpointOf } from '../../clients/stream-load/loader/load-options.ts'
import { LoadWriter } from '../../clients/stream-load/loader/load-writer.ts'
import { StarRocksCheckpointLoad } from './writer.ts'
import { checkStarRocks } from './check.ts'
import { starrocksCoordinator } from './coordinator.ts'
import { limitsOf } from './limits.ts'
import { loadHeaders } from './load-headers.ts'
import type { StarRocksSinkOptions } from './options.ts'
import { starrocksTablesCoordinator, starrocksTablesWriter } from './tables.ts'

/** Transactional stream load: one transaction per lane and checkpoint. */
export class StarRocksSink implements Sink {
  readonly #options: StarRocksSinkOptions

  constructor(options: StarRocksSinkOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    await using transactions = new StarRocksTransactions(endpointOf(this.#options))
    return await checkStarRocks(this.#options, transactions, context)
  }

  writer(context: LaneContext): SinkWriter {
    const options = this.#options
    const transactions = new StarRocksTransactions(endpointOf(options))
    if (options.routes !== undefined) return starrocksTablesWriter(options, context, transactions)
    const target = { database: options.database, table: options.table ?? '' }
    const headers = loadHeaders(options, context.format, context.schema)
    const isJson = context.format.kind === 'bytes' && context.format.format === 'json'
    return new LoadWriter(
      (ticket) =>
        new StarRocksCheckpointLoad({
          transactions,
          ...target,
          label: checkpointLabel(options, context, target, ticket),
          headers,
          compression: options.compression,
          meter: context.meter,
          isJson,
          loadBytesMax: options.loadBytesMax,
          ...limitsOf(context.times),
          isAtLeastOnce: context.delivery === 'at-least-once',
          keeper: keeperOf(options, context, headers),
        }),
      () => transactions[Symbol.asyncDispose](),
    )
  }

  coordinator(context: CoordinatorContext): SinkCoordinator {
    const coordinator = this.#options.routes === undefined ? starrocksCoordinator : starrocksTablesCoordinator
    return coordinator(this.#options, context, new StarRocksTransactions(endpointOf(this.#options)))
  }
}
