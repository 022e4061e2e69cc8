import type { Finding } from '../../core/checkpoint-types.ts'
import type { LaneContext, PreflightContext, SourceContext } from '../../core/context.ts'
import type { Source, SplitEnumerator, SplitReader } from '../../core/source.ts'
import { checkSls } from './check.ts'
import { IMPATIENT_MS, openClient, PATIENT_MS } from './connect.ts'
import { SlsEnumerator } from './enumerator.ts'
import type { SlsSourceOptions } from './options.ts'
import { SlsReader } from './reader.ts'

/** Reads a logstore shard by shard; positions live in checkpoints, consumer groups are told at the most. */
export class SlsSource implements Source {
  readonly #options: SlsSourceOptions

  constructor(options: SlsSourceOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    await using client = openClient(this.#options, context, IMPATIENT_MS)
    return await checkSls(client, context)
  }

  enumerator(context: SourceContext): SplitEnumerator {
    return new SlsEnumerator(this.#options, openClient(this.#options, context, IMPATIENT_MS), context)
  }

  reader(context: LaneContext): SplitReader {
    return new SlsReader(this.#options, openClient(this.#options, context, PATIENT_MS), context)
  }
}
