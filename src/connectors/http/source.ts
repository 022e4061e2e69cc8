import type { Finding } from '../../core/checkpoint-types.ts'
import type { LaneContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import type { Source, SplitAssignment, SplitEnumerator, SplitReader } from '../../core/source.ts'
import { fetchAnswer } from './fetch-answer.ts'
import type { HttpSourceOptions } from './options.ts'
import { HttpReader } from './reader.ts'

const SPLIT = 'answer'

/** Reads one answer. It has no positions that the server knows: rows are counted. */
export class HttpSource implements Source {
  readonly #options: HttpSourceOptions

  constructor(options: HttpSourceOptions) {
    this.#options = options
  }

  async check(): Promise<readonly Finding[]> {
    try {
      await fetchAnswer(this.#options, new AbortController().signal)
      return []
    } catch (thrown) {
      const { code, message } = toMillraceError(thrown)
      return [{ severity: 'error', code, message, path: ['url'] }]
    }
  }

  enumerator(): SplitEnumerator {
    return new OneAnswer()
  }

  reader(context: LaneContext): SplitReader {
    return new HttpReader(this.#options, context)
  }
}

/** An answer is one split. */
class OneAnswer implements SplitEnumerator {
  readonly discoveryIntervalMs: undefined

  async verify(): Promise<void> {}

  async discover(known: ReadonlySet<string>, first: boolean): Promise<readonly SplitAssignment[]> {
    return known.has(SPLIT) || !first ? [] : [{ split: SPLIT, spec: {}, at: { row: 0 } }]
  }

  async lag(): Promise<ReadonlyMap<string, number>> {
    return new Map()
  }

  async acknowledge(): Promise<void> {}

  async close(): Promise<void> {}
}
