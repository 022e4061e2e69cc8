import type { Finding } from '../../core/checkpoint-types.ts'
import type { CoordinatorContext, LaneContext, PreflightContext } from '../../core/context.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { checkSqlSink } from './check-sink.ts'
import type { SqlDialect } from './dialect.ts'
import type { SqlSinkOptions, TableSinkOptions } from './options.ts'
import { SqlCoordinator } from './sql-coordinator.ts'
import { SqlWriter, type RowTextLayout, type RowTexts } from './sql-writer.ts'
import { TablesWriter, type TablesWriterParts } from './tables/tables-writer.ts'

/** What a connector adds to the sink that all SQL servers share. */
export interface SqlSinkParts {
  makeDialect(): SqlDialect
  /** Row texts have every column of the target, as values of its row type. */
  readonly isRowWhole: boolean
  /** The data plane makes the texts of rows; this folder does not know it. */
  openTexts(context: LaneContext, layout: RowTextLayout): Promise<RowTexts>
  /** The same for rows that are JSON lines, of which each table has its own. */
  openJsonTexts(context: LaneContext): TablesWriterParts['openTexts']
}

/** Writes a table of an SQL server: by key as rows arrive, or staged and applied with the checkpoint. */
export class SqlSink implements Sink {
  readonly #options: TableSinkOptions
  readonly #parts: SqlSinkParts

  constructor(options: SqlSinkOptions, parts: SqlSinkParts) {
    this.#options = { ...options, table: options.table ?? '' }
    this.#parts = parts
  }

  check(context: PreflightContext): Promise<readonly Finding[]> {
    return checkSqlSink(this.#options, this.#parts.makeDialect(), context)
  }

  writer(context: LaneContext): SinkWriter {
    const { makeDialect, isRowWhole, openTexts, openJsonTexts } = this.#parts
    if (this.#options.routes !== undefined) {
      const parts = { dialect: makeDialect(), isRowWhole, openTexts: openJsonTexts(context) }
      return new TablesWriter(this.#options, parts, context)
    }
    return new SqlWriter(
      this.#options,
      { dialect: makeDialect(), isRowWhole, openTexts: (layout) => openTexts(context, layout) },
      context,
    )
  }

  coordinator(context: CoordinatorContext): SinkCoordinator {
    return new SqlCoordinator(this.#options, this.#parts.makeDialect(), context)
  }
}
