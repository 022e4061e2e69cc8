import type { CoordinatorContext } from '../../core/context.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SinkCoordinator } from '../../core/sink.ts'
import type { StarRocksTransactions, TransactionName } from '../../clients/stream-load/index.ts'
import { LoadCoordinator } from '../../clients/stream-load/loader/load-coordinator.ts'
import { writersOf } from '../../clients/stream-load/loader/load-options.ts'
import type { StarRocksSinkOptions } from './options.ts'
import { reloadTransaction } from './reload.ts'

/** The FE answers a commit after a second at the latest; then the state is asked until readers see it. */
const PUBLISH_WAIT_S = 1

/** Commits by label; one transaction of a writer holds all loads of a checkpoint. */
export function starrocksCoordinator(
  options: StarRocksSinkOptions,
  context: CoordinatorContext,
  transactions: StarRocksTransactions,
): SinkCoordinator {
  const { database, labelPrefix } = options
  const target = {
    database,
    table: options.table ?? '',
    labelPrefix,
    writers: writersOf(options, context.lanes),
    // Rows of several tables may need several transactions of one table.
    isNumbered: options.routes !== undefined,
    isKeyed: options.key !== undefined || options.routes !== undefined,
    isKept: options.durableStaging,
  }
  return new LoadCoordinator(target, context, {
    commit: (committable) => transactions.commit({ ...nameOf(committable), publishWaitS: PUBLISH_WAIT_S }),
    settle: (committable, waitMs) => transactions.settle(nameOf(committable), waitMs),
    abort: (committable) => transactions.abandon(nameOf(committable)),
    state: (label) => transactions.state({ database, label }),
    abandon: (label) => transactions.abandon({ database, label }),
    reload: (committable, kept, rows) => reloadTransaction(transactions, context.times, committable, kept, rows),
    close: () => transactions[Symbol.asyncDispose](),
  })
}

function nameOf(committable: JsonObject): TransactionName {
  return { database: String(committable['database']), label: String(committable['label']) }
}
