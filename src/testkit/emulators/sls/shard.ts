/** One LogGroup as it was stored. */
export interface StoredGroup {
  readonly position: bigint
  /** Server receive time, seconds since 1970. */
  readonly receivedAt: number
  readonly bytes: Buffer
  readonly logs: number
}

export type ShardStatus = 'readwrite' | 'readonly'

/** One shard: groups at consecutive positions, the oldest of which expire. */
export class Shard {
  readonly id: number
  /** 32 hex digits; the range is [beginKey, endKey). */
  readonly beginKey: string
  readonly endKey: string
  /** Seconds since 1970. */
  readonly createTime: number
  status: ShardStatus = 'readwrite'
  /** When ListShards shows it, and when it shows that it is readonly; milliseconds of the emulator's clock. */
  readonly visibleFrom: number
  readonlyFrom: number = Number.POSITIVE_INFINITY
  #groups: StoredGroup[] = []
  #end: bigint

  constructor(id: number, range: readonly [begin: string, end: string], createTime: number, visibleFrom: number) {
    this.id = id
    ;[this.beginKey, this.endKey] = range
    this.createTime = createTime
    this.visibleFrom = visibleFrom
    // Positions begin with the seconds of the shard's creation.
    this.#end = BigInt(createTime) * 1_000_000_000n + BigInt(id)
  }

  get groups(): readonly StoredGroup[] {
    return this.#groups
  }

  /** Where the oldest group is that still exists; the end when there is none. */
  get begin(): bigint {
    return this.#groups[0]?.position ?? this.#end
  }

  /** Where the next group will go. */
  get end(): bigint {
    return this.#end
  }

  append(bytes: Buffer, logs: number, receivedAt: number): bigint {
    const position = this.#end
    this.#groups.push({ position, receivedAt, bytes, logs })
    this.#end += 1n
    return position
  }

  /** Groups from a position on. One before the beginning reads from the beginning, silently; one behind the end nothing. */
  read(from: bigint, count: number, bytesMax: number): StoredGroup[] {
    const start = from < this.begin ? 0 : Number(from - this.begin)
    const taken: StoredGroup[] = []
    let bytes = 0
    for (const group of this.#groups.slice(start, start + count)) {
      bytes += group.bytes.length
      if (taken.length > 0 && bytes > bytesMax) break
      taken.push(group)
    }
    return taken
  }

  /** The first group received at or after a time; the end when there is none. */
  positionAt(seconds: number): bigint {
    return this.#groups.find(({ receivedAt }) => receivedAt >= seconds)?.position ?? this.#end
  }

  /** Receive time of a position; that of the newest group for the end. */
  timeOf(position: bigint): number {
    const group = position < this.begin ? this.#groups[0] : this.#groups[Number(position - this.begin)]
    return (group ?? this.#groups.at(-1))?.receivedAt ?? this.createTime
  }

  /** The oldest groups go. */
  expire(groups: number): void {
    this.#groups = this.#groups.slice(groups)
  }

  expireBefore(seconds: number): void {
    let old = 0
    while ((this.#groups[old]?.receivedAt ?? Number.POSITIVE_INFINITY) < seconds) old++
    if (old > 0) this.expire(old)
  }

  /** The newest groups go, and their positions are given again: what never happens to a healthy logstore. */
  rollBack(groups: number): void {
    const kept = Math.max(0, this.#groups.length - groups)
    this.#end -= BigInt(this.#groups.length - kept)
    this.#groups.length = kept
  }
}
