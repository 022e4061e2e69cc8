import type { Finding } from '../../core/checkpoint-types.ts'
import type { LaneContext, PreflightContext } from '../../core/context.ts'
import type { Source, SplitEnumerator, SplitReader } from '../../core/source.ts'
import { isFeedFormat } from '../../formats/changes/names.ts'
import { checkKafka } from './check.ts'
import { IMPATIENT, openClient } from './connect.ts'
import { KafkaEnumerator } from './enumerator.ts'
import { FeedEnumerator } from './feed-enumerator.ts'
import { FeedReader } from './feed-reader.ts'
import type { KafkaSourceOptions } from './options.ts'
import { KafkaReader } from './reader.ts'

/** Reads topics with its own fetch path; positions live in checkpoints, consumer groups are not used. */
export class KafkaSource implements Source {
  readonly #options: KafkaSourceOptions

  constructor(options: KafkaSourceOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    await using client = openClient(this.#options, IMPATIENT)
    return await checkKafka(this.#options, client, context)
  }

  enumerator(): SplitEnumerator {
    const partitions = new KafkaEnumerator(this.#options, openClient(this.#options, IMPATIENT))
    return isFeedFormat(this.#options.format) ? new FeedEnumerator(partitions) : partitions
  }

  reader(context: LaneContext): SplitReader {
    const options = this.#options
    const client = openClient(options)
    const { format } = options
    return isFeedFormat(format)
      ? new FeedReader(options, format, client, context)
      : new KafkaReader(options, client, context)
  }
}
