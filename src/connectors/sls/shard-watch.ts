import type { Clock } from '../../core/context.ts'
import type { SlsClient, SlsShard } from '../../clients/sls/index.ts'

/** A list of shards is good for so long: every shard of a lane that waits at its end asks. */
const FRESH_MS = 1000

/** What ListShards says, asked for at most once a second. */
export class ShardWatch {
  readonly #client: SlsClient
  readonly #clock: Clock
  #listed: Promise<readonly SlsShard[]> | undefined
  #listedAt = 0

  constructor(client: SlsClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  /** Undefined when the list does not show the shard. */
  async statusOf(shard: number, signal: AbortSignal): Promise<SlsShard | undefined> {
    const now = this.#clock.now()
    if (this.#listed === undefined || now - this.#listedAt >= FRESH_MS) {
      this.#listedAt = now
      this.#listed = this.#client.listShards(signal)
      this.#listed.catch(() => (this.#listed = undefined))
    }
    return (await this.#listed).find(({ id }) => id === shard)
  }
}
