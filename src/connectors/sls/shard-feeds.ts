import type { SplitEnd } from '../../core/batch.ts'
import type { Clock, Logger } from '../../core/context.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import type { SplitAssignment } from '../../core/source.ts'
import { cursorPosition, DamagedAnswer, slsCodeOf, type PulledLogs, type SlsClient } from '../../clients/sls/index.ts'
import { expired, gone } from './lost.ts'
import type { OpenAnswer } from './open-answer.ts'
import { ShardFeed } from './shard-feed.ts'
import { ShardWatch } from './shard-watch.ts'
import { positionAt, positionToJson } from './split.ts'

export interface FeedOptions {
  readonly codec: 'lz4' | 'zstd' | 'none'
  readonly clock: Clock
  readonly log: Logger
  /** A readonly shard has ended when its end cursor is the same so much later: a split may still let some logs in. */
  readonly settleMs: number
  /** Pause after an answer that came up to the end; it doubles while nothing comes, up to ten times. */
  readonly idleMs: number
  /** Pause after the first answer that cannot be used; it doubles with each further one. */
  readonly damagedMs: number
}

/** LogGroups of one answer, as many as the service gives. */
const COUNT = 1000
/** Compressed answers that are pulled or wait, in one lane. */
const BUDGET_BYTES = 48 * 1024 * 1024
const PULLS_MAX = 32
/** The same cursor gives a damaged answer again and again only when the damage is the service's. */
const DAMAGED_MAX = 6

/**
 * The shards of one lane: pulls from each, the longest waiting first, within a budget; notices when a shard has nothing
 * more to give. What goes wrong in the background is thrown by `next`.
 */
export class ShardFeeds {
  readonly #client: SlsClient
  readonly #options: FeedOptions
  readonly #watch: ShardWatch
  #feeds = new Map<string, ShardFeed>()
  #stop = new AbortController()
  #failure: MillraceError | undefined
  #wake: () => void = () => undefined

  constructor(client: SlsClient, options: FeedOptions) {
    this.#client = client
    this.#options = options
    this.#watch = new ShardWatch(client, options.clock)
  }

  assign(splits: readonly SplitAssignment[]): void {
    // What is on its way belongs to nobody any more.
    this.#stop.abort()
    this.#stop = new AbortController()
    this.#feeds = new Map()
    this.#failure = undefined
    this.add(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    for (const split of splits) this.#feeds.set(split.split, new ShardFeed(split))
  }

  close(): void {
    this.#stop.abort()
    this.#wake()
  }

  /** Splits with nothing more to give, each once. */
  takeEnded(): SplitEnd[] {
    const ended: SplitEnd[] = []
    for (const [split, feed] of this.#feeds) {
      if (!feed.isDone) continue
      this.#feeds.delete(split)
      ended.push({ kind: 'split-end', split, at: feed.assignment.until ?? positionToJson(feed.position) })
    }
    return ended
  }

  /** An answer that has come; waits a little for one, until the signal. */
  async next(signal: AbortSignal, waitMs: number): Promise<{ feed: ShardFeed; pulled: PulledLogs } | undefined> {
    const ready = this.#take()
    if (ready !== undefined) return ready
    await this.#wait(signal, waitMs)
    return signal.aborted ? undefined : this.#take()
  }

  /** The answer was unpacked and is being given out: the next one may be pulled meanwhile. */
  opened({ feed, next, reachesEnd }: OpenAnswer, pulled: PulledLogs): void {
    this.#client.recycle(pulled)
    feed.damaged = 0
    feed.idle = 0
    feed.sealed = undefined
    feed.position = next
    if (reachesEnd) feed.dueAt = Number.POSITIVE_INFINITY
    else if (pulled.isEnd) feed.dueAt = this.#options.clock.now() + this.#options.idleMs
  }

  usedUp({ feed, reachesEnd }: OpenAnswer): void {
    if (reachesEnd) feed.isDone = true
  }

  /** The same cursor is pulled again. @throws MillraceError DECODE when that has not helped several times. */
  damaged(feed: ShardFeed, error: DamagedAnswer): void {
    const { logstore, shard } = feed.split
    feed.damaged++
    const message = `SLS logstore ${logstore} shard ${shard}: an answer at cursor ${feed.position.cursor} is damaged: ${error.message}`
    if (feed.damaged >= DAMAGED_MAX) {
      const detail = { logstore, shard, cursor: feed.position.cursor }
      throw new MillraceError(`${message}, ${feed.damaged} times in a row`, { code: 'DECODE', retry: 'halt', detail })
    }
    this.#options.log.warn(`${message}. It is pulled again.`)
    feed.dueAt = this.#options.clock.now() + this.#options.damagedMs * 2 ** feed.damaged
  }

  /** An answer without groups: the end for now, the end for ever, or a step over what is no more. */
  empty(feed: ShardFeed, pulled: PulledLogs): void {
    feed.damaged = 0
    const pause = this.#options.idleMs * Math.min(10, 2 ** feed.idle++)
    feed.dueAt = this.#options.clock.now() + pause
    const isMoved = pulled.next !== pulled.cursor
    const work = isMoved ? this.#step(feed, pulled) : this.#look(feed)
    this.#inBackground(feed, work)
  }

  #take(): { feed: ShardFeed; pulled: PulledLogs } | undefined {
    if (this.#failure !== undefined) {
      const failure = this.#failure
      this.#failure = undefined
      throw failure
    }
    let found: { feed: ShardFeed; pulled: PulledLogs } | undefined
    for (const feed of this.#feeds.values()) {
      if (feed.pulled === undefined) continue
      found = { feed, pulled: feed.pulled }
      feed.pulled = undefined
      break
    }
    return found
  }

  /** Starts pulls where something is due, the longest waiting shards first. */
  pullMore(): void {
    const now = this.#options.clock.now()
    let held = 0
    let pulls = 0
    for (const feed of this.#feeds.values()) {
      held += feed.heldBytes
      if (feed.isPulling) pulls++
    }
    for (const [split, feed] of [...this.#feeds]) {
      if (pulls >= PULLS_MAX || held >= BUDGET_BYTES) return
      if (feed.isPulling || feed.isDone || feed.pulled !== undefined || feed.dueAt > now) continue
      // At the end of the order: the others come first the next time.
      this.#feeds.delete(split)
      this.#feeds.set(split, feed)
      pulls++
      held += feed.expectedBytes
      this.#inBackground(feed, this.#pull(feed))
    }
  }

  async #pull(feed: ShardFeed): Promise<void> {
    const { shard, position } = feed
    const request = { shard, cursor: position.cursor, count: COUNT, codec: this.#options.codec }
    feed.isPulling = true
    try {
      feed.pulled = await this.#client.pullLogs(request, this.#stop.signal)
      feed.expectedBytes = Math.max(64 * 1024, feed.pulled.body.length)
    } catch (error) {
      if (!(error instanceof DamagedAnswer)) throw refused(feed, error)
      this.damaged(feed, error)
    } finally {
      feed.isPulling = false
    }
  }

  /** The cursor moved over nothing: fine, unless what was there has expired. */
  async #step(feed: ShardFeed, pulled: PulledLogs): Promise<void> {
    await this.#checkBegin(feed)
    const { wanted, position } = feed
    const next = cursorPosition(pulled.next)
    const left = wanted === undefined || next === undefined || wanted <= next ? 0 : Number(wanted - next)
    feed.position = left > 0 ? { cursor: pulled.next, group: left, log: position.log } : positionAt(pulled.next)
    if (feed.isAtEnd) feed.isDone = true
  }

  /** Nothing more came. A readonly shard is read to its end when that end does not move any more. */
  async #look(feed: ShardFeed): Promise<void> {
    if (feed.until !== undefined) return await this.#checkBegin(feed)
    const shard = await this.#watch.statusOf(feed.shard, this.#stop.signal)
    if (shard?.isReadonly !== true) return
    const end = await this.#client.getCursor(feed.shard, 'end', this.#stop.signal)
    const { clock, settleMs } = this.#options
    if (end !== feed.position.cursor || feed.position.group > 0) return
    if (feed.sealed?.cursor !== end) feed.sealed = { cursor: end, at: clock.now() }
    else if (clock.now() - feed.sealed.at >= settleMs) feed.isDone = true
  }

  async #checkBegin(feed: ShardFeed): Promise<void> {
    const first = cursorPosition(await this.#client.getCursor(feed.shard, 'begin', this.#stop.signal))
    const { wanted } = feed
    if (first !== undefined && wanted !== undefined && first > wanted) throw expired(feed.split, { wanted, first })
  }

  /** A feed that was given to somebody else meanwhile is not heard. */
  #inBackground(feed: ShardFeed, work: Promise<void>): void {
    const { signal } = this.#stop
    work
      .catch((error: unknown) => {
        if (!signal.aborted && this.#feeds.get(feed.assignment.split) === feed)
          this.#failure = toMillraceError(refused(feed, error))
      })
      .finally(() => this.#wake())
      .catch(() => undefined)
  }

  #wait(signal: AbortSignal, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.#wake = () => undefined
        resolve()
      }
      const timer = setTimeout(done, waitMs)
      signal.addEventListener('abort', done, { once: true })
      this.#wake = done
    })
  }
}

/** What the service says of shards and cursors that are no more. */
function refused(feed: ShardFeed, error: unknown): unknown {
  switch (slsCodeOf(error)) {
    case 'shardnotexist':
      return gone(feed.split, 'the service does not know it any more: it was gone')
    case 'invalidcursor':
      return gone(feed.split, `the service refuses the cursor ${feed.position.cursor}: it expired`)
    case 'logstorenotexist':
    case 'projectnotexist':
      return gone(feed.split, 'the logstore was deleted')
    default:
      return error
  }
}
