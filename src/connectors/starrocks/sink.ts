import type { Finding } from '../../core/checkpoint-types.ts'
import type { CoordinatorContext, LaneContext, PreflightContext } from '../../core/context.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { labelOf, StarRocksTransactions } from '../../clients/stream-load/index.ts'
import { keeperOf } from '../../clients/stream-load/loader/body-keeper.ts'
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
    await using transactions = openTransactions(this.#options)
    return await checkStarRocks(this.#options, transactions, context)
  }

  writer(context: LaneContext): SinkWriter {
    const options = this.#options
    const transactions = openTransactions(options)
    if (options.routes !== undefined) return starrocksTablesWriter(options, context, transactions)
    const table = options.table ?? ''
    const headers = loadHeaders(options, context.format, context.schema)
    const isJson = context.format.kind === 'bytes' && context.format.format === 'json'
    return new LoadWriter(
      (ticket) =>
        new StarRocksCheckpointLoad({
          transactions,
          database: options.database,
          table,
          label: labelOf({
            prefix: options.labelPrefix,
            jobUid: context.job,
            sink: context.id,
            table: `${options.database}.${table}`,
            writer: context.lane,
            epoch: Number(ticket['epoch']),
            checkpoint: Number(ticket['checkpoint']),
            attempt: 0,
          }),
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
    return coordinator(this.#options, context, openTransactions(this.#options))
  }
}

function openTransactions(options: StarRocksSinkOptions): StarRocksTransactions {
  const { url, username, password, allowPlaintext, backends } = options
  return new StarRocksTransactions({
    urls: url,
    username,
    password,
    allowPlaintext,
    ...(backends === undefined ? {} : { backends }),
  })
}
