import type { Finding } from '../../core/checkpoint-types.ts'
import type { CoordinatorContext, LaneContext, PreflightContext } from '../../core/context.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { checkSqlSink } from './check-sink.ts'
import type { SqlDialect } from './dialect.ts'
import type { SqlSinkOptions } from './options.ts'
import { SqlCoordinator } from './sql-coordinator.ts'
import { SqlWriter, type RowTextLayout, type RowTexts } from './sql-writer.ts'

/** What a connector adds to the sink that all SQL servers share. */
export interface SqlSinkParts {
  makeDialect(): SqlDialect
  /** Row texts have every column of the target, as values of its row type. */
  readonly isRowWhole: boolean
  /** The data plane makes the texts of rows; this folder does not know it. */
  openTexts(context: LaneContext, layout: RowTextLayout): Promise<RowTexts>
}

/** Writes a table of an SQL server: by key as rows arrive, or staged and applied with the checkpoint. */
export class SqlSink implements Sink {
  readonly #options: SqlSinkOptions
  readonly #parts: SqlSinkParts

  constructor(options: SqlSinkOptions, parts: SqlSinkParts) {
    this.#options = options
    this.#parts = parts
  }

  check(context: PreflightContext): Promise<readonly Finding[]> {
    return checkSqlSink(this.#options, this.#parts.makeDialect(), context)
  }

  writer(context: LaneContext): SinkWriter {
    const { makeDialect, isRowWhole, openTexts } = this.#parts
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
