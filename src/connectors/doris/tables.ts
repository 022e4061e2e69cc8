import { OP_COLUMN } from '../../core/changes.ts'
import type { CoordinatorContext, LaneContext } from '../../core/context.ts'
import type { SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import type { DorisTwoPhaseLoads, HeaderFields } from '../../clients/stream-load/index.ts'
import { checkpointLabel } from '../../clients/stream-load/loader/checkpoint-label.ts'
import { openKeeper, routerOf } from '../../clients/stream-load/tables/open-keeper.ts'
import type { RowKind } from '../../clients/stream-load/tables/segmented-load.ts'
import { TablesCoordinator } from '../../clients/stream-load/tables/tables-coordinator.ts'
import { TablesWriter } from '../../clients/stream-load/tables/tables-writer.ts'
import { dorisCoordinator } from './coordinator.ts'
import { loadHeaders } from './load-headers.ts'
import type { DorisSinkOptions } from './options.ts'
import { DorisCheckpointLoad } from './writer.ts'

/** Rows of several tables: transactions of its own for each table that has rows in a checkpoint. */
export function dorisTablesWriter(
  options: DorisSinkOptions,
  context: LaneContext,
  loads: DorisTwoPhaseLoads,
): SinkWriter {
  const base = loadHeaders(options, context.format, undefined)
  return new TablesWriter(
    routerOf(options),
    (target, ticket) => (kind, nextNumber) => {
      // A load keeps its number, whoever asks for its label.
      const numbers: number[] = []
      const labelAt = (load: number): string =>
        checkpointLabel(options, context, target, ticket, (numbers[load] ??= nextNumber()))
      return new DorisCheckpointLoad({
        loads,
        ...target,
        labelOf: labelAt,
        headers: headersOf(base, kind),
        compression: options.compression,
        meter: context.meter,
        loadBytesMax: options.loadBytesMax,
        isAtLeastOnce: context.delivery === 'at-least-once',
        keeper: undefined,
      })
    },
    () => loads[Symbol.asyncDispose](),
  )
}

export function dorisTablesCoordinator(
  options: DorisSinkOptions,
  context: CoordinatorContext,
  loads: DorisTwoPhaseLoads,
): SinkCoordinator {
  const { keeper, close } = openKeeper(options, context, 'doris')
  return new TablesCoordinator({
    of: (target) => dorisCoordinator({ ...options, ...target }, context, loads),
    keeper,
    close: async () => {
      await Promise.all([close(), loads[Symbol.asyncDispose]()])
    },
  })
}

/**
 * `merge_type: MERGE` makes deletes of the rows that `delete` finds (be/src/http/action/stream_load.cpp); the columns of
 * the change itself are fields of the rows and of no table.
 */
function headersOf(base: HeaderFields, { table, partial }: RowKind): HeaderFields {
  const names = table.columns.map(({ name }) => name).filter((name) => partial?.includes(name) !== false)
  const { sequence } = table
  const fields = [...names, ...(sequence === undefined ? [] : [sequence]), OP_COLUMN]
  const guard: HeaderFields = sequence === undefined ? [] : [['function_column.sequence_col', sequence]]
  const others: HeaderFields = partial === undefined ? [] : [['partial_columns', 'true']]
  return [
    ...base,
    ['columns', fields.map((name) => `\`${name}\``).join(',')],
    ['merge_type', 'MERGE'],
    ['delete', `${OP_COLUMN}=1`],
    ...guard,
    ...others,
  ]
}
