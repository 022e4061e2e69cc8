import { OP_COLUMN } from '../../core/changes.ts'
import type { CoordinatorContext, LaneContext } from '../../core/context.ts'
import type { SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import type { HeaderFields, StarRocksTransactions } from '../../clients/stream-load/index.ts'
import { checkpointLabel } from '../../clients/stream-load/loader/checkpoint-label.ts'
import { openKeeper, routerOf } from '../../clients/stream-load/tables/open-keeper.ts'
import type { RowKind } from '../../clients/stream-load/tables/segmented-load.ts'
import { TablesCoordinator } from '../../clients/stream-load/tables/tables-coordinator.ts'
import { TablesWriter } from '../../clients/stream-load/tables/tables-writer.ts'
import { starrocksCoordinator } from './coordinator.ts'
import { limitsOf } from './limits.ts'
import { loadHeaders } from './load-headers.ts'
import type { StarRocksSinkOptions } from './options.ts'
import { StarRocksCheckpointLoad } from './writer.ts'

/** Rows of several tables: a transaction for each table that has rows in a checkpoint. */
export function starrocksTablesWriter(
  options: StarRocksSinkOptions,
  context: LaneContext,
  transactions: StarRocksTransactions,
): SinkWriter {
  const base = loadHeaders(options, context.format, undefined)
  const areColumnsChosen = options.routes?.some(({ columns }) => columns !== undefined) === true
  return new TablesWriter(
    routerOf(options),
    (target, ticket) => (kind, nextNumber) =>
      new StarRocksCheckpointLoad({
        transactions,
        ...target,
        label: checkpointLabel(options, context, target, ticket, nextNumber()),
        headers: headersOf(base, kind, areColumnsChosen),
        compression: options.compression,
        meter: context.meter,
        isJson: true,
        loadBytesMax: options.loadBytesMax,
        ...limitsOf(context.times),
        isAtLeastOnce: context.delivery === 'at-least-once',
        keeper: undefined,
      }),
    () => transactions[Symbol.asyncDispose](),
  )
}

export function starrocksTablesCoordinator(
  options: StarRocksSinkOptions,
  context: CoordinatorContext,
  transactions: StarRocksTransactions,
): SinkCoordinator {
  const { keeper, close } = openKeeper(options, context, 'starrocks')
  return new TablesCoordinator({
    of: (target) => starrocksCoordinator({ ...options, ...target }, context, transactions),
    keeper,
    close: async () => {
      await Promise.all([close(), transactions[Symbol.asyncDispose]()])
    },
  })
}

/** The server finds `__op` and the columns by their names; they are named where not all of them are written. */
function headersOf(base: HeaderFields, { table, partial }: RowKind, areColumnsChosen: boolean): HeaderFields {
  if (partial === undefined && !areColumnsChosen) return base
  const names = [...table.columns.map(({ name }) => name), OP_COLUMN]
  const kept = partial === undefined ? names : names.filter((name) => name === OP_COLUMN || partial.includes(name))
  return [
    ...base,
    ['columns', kept.map((name) => `\`${name}\``).join(',')],
    ...(partial === undefined ? [] : ([['partial_update', 'true']] as const)),
  ]
}
