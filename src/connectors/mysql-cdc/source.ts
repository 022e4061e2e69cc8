import type { Finding } from '../../core/checkpoint-types.ts'
import type { LaneContext, PreflightContext, SourceContext } from '../../core/context.ts'
import type { Source, SplitEnumerator, SplitReader } from '../../core/source.ts'
import { checkMysqlCdc } from './check.ts'
import { MysqlCdcEnumerator } from './enumerator.ts'
import type { MysqlCdcOptions } from './options.ts'
import { MysqlCdcReader } from './reader.ts'

/** Reads tables as they are at one moment, and then the log from that moment on. */
export class MysqlCdcSource implements Source {
  readonly #options: MysqlCdcOptions

  constructor(options: MysqlCdcOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    return await checkMysqlCdc(this.#options, context)
  }

  enumerator(context: SourceContext): SplitEnumerator {
    return new MysqlCdcEnumerator(this.#options, context)
  }

  reader(context: LaneContext): SplitReader {
    return new MysqlCdcReader(this.#options, context)
  }
}
