import type { Finding } from '../../core/checkpoint-types.ts'
import type { LaneContext, PreflightContext, SourceContext } from '../../core/context.ts'
import type { Source, SplitEnumerator, SplitReader } from '../../core/source.ts'
import { checkPostgres } from './check.ts'
import { PostgresEnumerator } from './enumerator.ts'
import type { PostgresCdcOptions } from './options.ts'
import { PostgresReader } from './reader.ts'

/** Reads a table in parts, and then its changes from a replication slot. */
export class PostgresCdcSource implements Source {
  readonly #options: PostgresCdcOptions

  constructor(options: PostgresCdcOptions) {
    this.#options = options
  }

  check(context: PreflightContext): Promise<readonly Finding[]> {
    return checkPostgres(this.#options, context)
  }

  enumerator(context: SourceContext): SplitEnumerator {
    return new PostgresEnumerator(this.#options, context)
  }

  reader(context: LaneContext): SplitReader {
    return new PostgresReader(this.#options, context)
  }
}
