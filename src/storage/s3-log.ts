import { createObject, proveConditions, type Bucket } from '../clients/s3/index.ts'
import { failpoint } from '../core/failpoints.ts'
import type { CheckpointLog } from './checkpoint-log.ts'

const SLOT_DIGITS = 12
const SLOT_MAX = 10 ** SLOT_DIGITS - 1
/** The newest slots come first and are few that are wanted: no need for pages of a thousand. */
const PAGE = 200

/**
 * The checkpoint log in object storage, one object per slot under `log/`. A slot is taken by a conditional write, which
 * fails when it is taken already. Listings are in the order of names and nothing else, so a name counts down: the newest
 * slot comes first, however long the log is.
 *
 * An append that throws with `isUnresolved` in its detail may have taken the slot.
 */
export class S3Log implements CheckpointLog {
  readonly address: string
  readonly #bucket: Bucket
  readonly #root: string
  readonly #prefix: string

  /** `prefix` is empty or ends in a slash. */
  constructor(bucket: Bucket, prefix: string) {
    this.address = bucket.addressOf(prefix).replace(/\/$/, '')
    this.#bucket = bucket
    this.#root = prefix
    this.#prefix = `${prefix}log/`
  }

  async newest(): Promise<number | undefined> {
    for await (const seq of this.#newestFirst(1)) return seq
    return undefined
  }

  async list(from: number): Promise<readonly number[]> {
    const found: number[] = []
    for await (const seq of this.#newestFirst(PAGE)) {
      if (seq < from) break
      found.push(seq)
    }
    return found.toReversed()
  }

  async read(seq: number): Promise<Uint8Array | undefined> {
    return await this.#bucket.get(this.#key(seq))
  }

  async append(seq: number, bytes: Uint8Array): Promise<'appended' | 'exists'> {
    failpoint('store.manifest.write', 'before')
    await proveConditions(this.#bucket, this.#root)
    failpoint('store.manifest.write', 'after')
    failpoint('store.manifest.publish', 'before')
    const outcome = await createObject(this.#bucket, this.#key(seq), bytes)
    failpoint('store.manifest.publish', 'sent')
    failpoint('store.manifest.publish', 'after')
    return outcome === 'created' ? 'appended' : 'exists'
  }

  /** What cannot be removed now is only clutter: nobody reads it any more. */
  async remove(seqs: readonly number[]): Promise<void> {
    await this.#bucket.deleteAll(seqs.map((seq) => this.#key(seq))).catch(() => undefined)
  }

  async close(): Promise<void> {}

  async *#newestFirst(pageSize: number): AsyncIterable<number> {
    for await (const { key } of this.#bucket.list(this.#prefix, { pageSize })) {
      const name = key.slice(this.#prefix.length)
      if (/^\d{12}$/.test(name)) yield SLOT_MAX - Number(name)
    }
  }

  #key(seq: number): string {
    return this.#prefix + String(SLOT_MAX - seq).padStart(SLOT_DIGITS, '0')
  }
}
