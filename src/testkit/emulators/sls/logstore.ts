import type { EmulatorClock } from '../clock.ts'
import { SlsProblem } from './problem.ts'
import { Shard } from './shard.ts'

const KEY_BITS = 128n
const LAST_KEY = 'f'.repeat(32)
const WHOLE = 1n << KEY_BITS

export interface ConsumerGroup {
  readonly name: string
  timeout: number
  order: boolean
  readonly checkpoints: Map<number, { checkpoint: string; updateTime: number; consumer: string }>
}

export interface LogstoreOptions {
  readonly name: string
  /** Default 2. */
  readonly shards?: number
  /** Default 30. */
  readonly ttlDays?: number
}

/** A logstore: shards that split, merge, expire and vanish. */
export class Logstore {
  readonly name: string
  readonly groups: Map<string, ConsumerGroup> = new Map()
  ttlDays: number
  /** How long ListShards still shows the shards of before a split or merge. */
  listDelayMs = 0
  readonly #clock: EmulatorClock
  #shards: Shard[] = []
  #nextId = 0
  #turn = 0

  constructor({ name, shards = 2, ttlDays = 30 }: LogstoreOptions, clock: EmulatorClock) {
    this.name = name
    this.ttlDays = ttlDays
    this.#clock = clock
    for (let index = 0; index < shards; index++) {
      this.#add(keyAt(index, shards), keyAt(index + 1, shards), clock.now())
    }
  }

  /** Every shard that exists, also those that ListShards does not show yet. */
  get shards(): readonly Shard[] {
    this.#forgetOld()
    return this.#shards
  }

  /** What ListShards answers. */
  list(): {
    shardID: number
    status: string
    inclusiveBeginKey: string
    exclusiveEndKey: string
    createTime: number
  }[] {
    const now = this.#clock.now()
    return this.shards
      .filter(({ visibleFrom }) => visibleFrom <= now)
      .map((shard) => ({
        shardID: shard.id,
        status: shard.readonlyFrom <= now ? 'readonly' : 'readwrite',
        inclusiveBeginKey: shard.beginKey,
        exclusiveEndKey: shard.endKey,
        createTime: shard.createTime,
      }))
  }

  shard(id: number): Shard {
    const shard = this.shards.find((one) => one.id === id)
    if (shard === undefined) throw new SlsProblem(400, 'ShardNotExist', `shard ${id} does not exist`)
    return shard
  }

  /** The live shard that takes the key; without one, the next in turn. */
  shardFor(key: string | undefined): Shard {
    const live = this.shards.filter(({ status }) => status === 'readwrite')
    const found =
      key === undefined
        ? live[this.#turn++ % live.length]
        : live.find(({ beginKey, endKey }) => key >= beginKey && (key < endKey || endKey === LAST_KEY))
    if (found === undefined) throw new SlsProblem(400, 'LogStoreWithoutShard', 'logstore has no shard')
    return found
  }

  /** The parent becomes readonly, and `count` children take its range, divided at `key` or evenly. */
  split(id: number, key?: string, count = 2): Shard[] {
    const parent = this.#live(id)
    const begin = BigInt(`0x${parent.beginKey}`)
    const end = parent.endKey === LAST_KEY ? WHOLE : BigInt(`0x${parent.endKey}`)
    if (key !== undefined && !(key > parent.beginKey && key < parent.endKey)) {
      throw new SlsProblem(400, 'ParameterInvalid', `key ${key} is not inside of shard ${id}`)
    }
    const bounds =
      key === undefined
        ? Array.from({ length: count + 1 }, (_, index) => begin + ((end - begin) * BigInt(index)) / BigInt(count))
        : [begin, BigInt(`0x${key}`), end]
    const visibleFrom = this.#close([parent])
    const children = bounds.slice(1).map((bound, index) => this.#add(hex(bounds[index] ?? 0n), hex(bound), visibleFrom))
    return [parent, ...children]
  }

  /** The shard and its right neighbour become readonly, one new shard takes both ranges. */
  merge(id: number): Shard[] {
    const left = this.#live(id)
    const right = this.shards.find(({ status, beginKey }) => status === 'readwrite' && beginKey === left.endKey)
    if (right === undefined) throw new SlsProblem(400, 'ParameterInvalid', `shard ${id} has no right neighbour`)
    const visibleFrom = this.#close([left, right])
    return [left, right, this.#add(left.beginKey, right.endKey, visibleFrom)]
  }

  /** The shard and all its data are gone. */
  drop(id: number): void {
    this.#shards = this.#shards.filter((shard) => shard.id !== id)
  }

  #live(id: number): Shard {
    const shard = this.shard(id)
    if (shard.status === 'readonly') throw new SlsProblem(400, 'ParameterInvalid', `shard ${id} is readonly`)
    return shard
  }

  #close(parents: readonly Shard[]): number {
    const visibleFrom = this.#clock.now() + this.listDelayMs
    for (const parent of parents) {
      parent.status = 'readonly'
      parent.readonlyFrom = visibleFrom
    }
    return visibleFrom
  }

  #add(begin: string, end: string, visibleFrom: number): Shard {
    const shard = new Shard(this.#nextId++, [begin, end], Math.floor(this.#clock.now() / 1000), visibleFrom)
    this.#shards.push(shard)
    return shard
  }

  /** What is older than the retention goes; a readonly shard without any data goes as a whole. */
  #forgetOld(): void {
    const oldest = this.#clock.now() / 1000 - this.ttlDays * 86_400
    for (const shard of this.#shards) shard.expireBefore(oldest)
    this.#shards = this.#shards.filter(
      (shard) => shard.status === 'readwrite' || shard.groups.length > 0 || shard.readonlyFrom / 1000 >= oldest,
    )
  }
}

function keyAt(index: number, count: number): string {
  return hex((WHOLE * BigInt(index)) / BigInt(count))
}

/** The last key is written as the greatest one. */
function hex(value: bigint): string {
  return value >= WHOLE ? LAST_KEY : value.toString(16).padStart(32, '0')
}
