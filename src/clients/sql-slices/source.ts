import type { Finding } from '../../core/checkpoint-types.ts'
import type { LaneContext, PreflightContext, SourceContext } from '../../core/context.ts'
import type { Source, SplitEnumerator, SplitReader } from '../../core/source.ts'
import { checkSlices } from './check.ts'
import type { SliceDialect } from './dialect.ts'
import type { SliceOptions } from './options.ts'
import { SliceEnumerator } from './slice-enumerator.ts'
import { SliceReader } from './slice-reader.ts'

/** Reads tables by a column whose values rise. */
export class SliceSource implements Source {
  readonly #options: SliceOptions
  readonly #dialect: SliceDialect

  constructor(options: SliceOptions, dialect: SliceDialect) {
    this.#options = options
    this.#dialect = dialect
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    await using session = await this.#dialect.connect()
    return await checkSlices(session, this.#dialect, this.#options, context.id)
  }

  enumerator(context: SourceContext): SplitEnumerator {
    return new SliceEnumerator(this.#options, this.#dialect, context)
  }

  reader(context: LaneContext): SplitReader {
    return new SliceReader(this.#options, this.#dialect, context)
  }
}
