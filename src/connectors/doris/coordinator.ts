import type { CoordinatorContext } from '../../core/context.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SinkCoordinator } from '../../core/sink.ts'
import type { DorisTransactionName, DorisTwoPhaseLoads } from '../../clients/stream-load/index.ts'
import { LoadCoordinator } from '../../clients/stream-load/loader/load-coordinator.ts'
import { writersOf } from '../../clients/stream-load/loader/load-options.ts'
import type { DorisSinkOptions } from './options.ts'
import { reloadLoad } from './reload.ts'

/** Commits by transaction id, with the label as evidence; every load of a checkpoint is a transaction of its own. */
export function dorisCoordinator(
  options: DorisSinkOptions,
  context: CoordinatorContext,
  loads: DorisTwoPhaseLoads,
): SinkCoordinator {
  const { database, labelPrefix } = options
  const target = {
    database,
    table: options.table ?? '',
    labelPrefix,
    writers: writersOf(options, context.lanes),
    isNumbered: true,
    isKeyed: options.key !== undefined || options.routes !== undefined,
    isKept: options.durableStaging,
  }
  return new LoadCoordinator(target, context, {
    commit: (committable) => loads.commit(nameOf(committable)),
    settle: (committable, waitMs) => loads.settle(nameOf(committable), waitMs),
    abort: (committable) => loads.abort(nameOf(committable)),
    state: (label) => loads.state({ database, label }),
    abandon: (label) => loads.abandon({ database, label }),
    reload: (committable, kept, rows) => reloadLoad(loads, committable, kept, rows),
    close: () => loads[Symbol.asyncDispose](),
  })
}

function nameOf(committable: JsonObject): DorisTransactionName {
  return {
    database: String(committable['database']),
    label: String(committable['label']),
    txnId: BigInt(String(committable['txnId'])),
  }
}
