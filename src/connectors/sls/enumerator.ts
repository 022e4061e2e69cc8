import type { SplitId, SplitPosition } from '../../core/batch.ts'
import type { AcknowledgePermit } from '../../core/checkpoint-types.ts'
import type { SourceContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import type { SplitAssignment, SplitEnumerator } from '../../core/source.ts'
import { cursorPosition, parentsOf, slsCodeOf, type SlsClient, type SlsShard } from '../../clients/sls/index.ts'
import { inTurns } from './in-turns.ts'
import { expired, gone, rolledBack } from './lost.ts'
import type { SlsSourceOptions } from './options.ts'
import {
  groupNumber,
  positionAt,
  positionFromJson,
  positionToJson,
  splitFromJson,
  splitIdOf,
  splitToJson,
} from './split.ts'

const DAY_SECONDS = 86_400

/**
 * Finds shards. Start positions are resolved to cursors once and stored; a shard that appears later begins at its
 * beginning, whatever the start position says: otherwise what was written between a split and its discovery is lost.
 */
export class SlsEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs: number | undefined
  readonly moment: string | undefined
  readonly #options: SlsSourceOptions
  readonly #client: SlsClient
  readonly #context: SourceContext
  readonly #reported = new Map<number, string>()
  #hasGroup = false

  constructor(options: SlsSourceOptions, client: SlsClient, context: SourceContext) {
    this.#options = options
    this.#client = client
    this.#context = context
    this.discoveryIntervalMs = options.end === 'never' ? options.discoveryInterval : undefined
    this.moment = options.start === 'earliest' ? undefined : String(options.start)
  }

  async verify(restored: readonly SplitAssignment[]): Promise<void> {
    if (restored.length === 0) return
    const shards = new Map((await this.#listWhatWasRead(restored)).map((shard) => [shard.id, shard]))
    await inTurns(restored, async (assignment) => {
      const split = splitFromJson(assignment.spec)
      const shard = shards.get(split.shard)
      if (shard === undefined) throw gone(split, 'it does not exist any more, and was gone')
      if (shard.createTime !== split.created) throw gone(split, 'the logstore was deleted and made again')
      const position = groupNumber(positionFromJson(assignment.at))
      if (position === undefined) return
      const begin = cursorPosition(await this.#client.getCursor(split.shard, 'begin'))
      const end = cursorPosition(await this.#client.getCursor(split.shard, 'end'))
      if (begin !== undefined && position < begin) throw expired(split, { wanted: position, first: begin })
      if (end !== undefined && position > end) throw rolledBack(split, position, end)
    })
  }

  async discover(
    known: ReadonlySet<SplitId>,
    first: boolean,
    finished: ReadonlySet<SplitId> = new Set(),
  ): Promise<readonly SplitAssignment[]> {
    const { logstore, end } = this.#options
    // What is written after the start is behind every end that was resolved at the start.
    if (!first && end !== 'never') return this.#missing(known)
    const shards = await this.#client.listShards()
    const fresh = shards.filter(({ id }) => !known.has(splitIdOf(logstore, id)))
    const found = await inTurns(fresh, (shard) => this.#assignment(shard, first))
    if (end !== 'never' || this.#options.shardOrder === 'any') return found
    const done = new Set([...finished, ...(await this.#exhausted(found, shards))])
    const listed = new Map(found.map((assignment) => [assignment.split, assignment]))
    return fresh.flatMap((shard) => {
      const isReady = parentsOf(shard, shards).every(({ id }) => done.has(splitIdOf(logstore, id)))
      const assignment = listed.get(splitIdOf(logstore, shard.id))
      return isReady && assignment !== undefined ? [assignment] : []
    })
  }

  /** In log groups: how many logs they hold is only known when they are read. */
  async lag(positions: readonly SplitPosition[]): Promise<ReadonlyMap<SplitId, number>> {
    const lags = await inTurns(positions, async ({ split, next }): Promise<[SplitId, number] | undefined> => {
      const end = cursorPosition(await this.#client.getCursor(shardOf(split), 'end'))
      const position = groupNumber(positionFromJson(next))
      if (end === undefined || position === undefined) return undefined
      return [split, end > position ? Number(end - position) : 0]
    })
    return new Map(lags.filter((one) => one !== undefined))
  }

  /** By the receive time of the next group of each shard that has one, and the logstore's retention. */
  async headroomSeconds(positions: readonly SplitPosition[]): Promise<number | undefined> {
    const days = await this.#client.retentionDays()
    if (days === undefined) return undefined
    const received = await inTurns(positions, async ({ split, next }) => {
      const { cursor, group } = positionFromJson(next)
      const shard = shardOf(split)
      const isAtEnd = group === 0 && (await this.#client.getCursor(shard, 'end')) === cursor
      return isAtEnd ? Number.POSITIVE_INFINITY : await this.#client.getCursorTime(shard, cursor)
    })
    const oldest = Math.min(...received)
    return Number.isFinite(oldest) ? oldest + days * DAY_SECONDS - this.#context.clock.now() / 1000 : undefined
  }

  /** Nothing is kept or forgotten for it: the service keeps logs by time. A group may be told for the console. */
  async acknowledge(positions: readonly SplitPosition[], _permit: AcknowledgePermit): Promise<void> {
    const { reportTo } = this.#options
    if (reportTo === undefined) return
    try {
      if (!this.#hasGroup) await this.#client.ensureConsumerGroup(reportTo)
      this.#hasGroup = true
      await inTurns(positions, async ({ split, next }) => {
        const { cursor } = positionFromJson(next)
        const shard = shardOf(split)
        if (this.#reported.get(shard) === cursor) return
        await this.#client.setGroupCheckpoint(reportTo, shard, cursor)
        this.#reported.set(shard, cursor)
      })
    } catch (thrown) {
      this.#context.log.warn(`${toMillraceError(thrown).message} The job does not need it.`)
    }
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async #listWhatWasRead([first]: readonly SplitAssignment[]): Promise<readonly SlsShard[]> {
    try {
      return await this.#client.listShards()
    } catch (error) {
      const isDeleted = ['logstorenotexist', 'projectnotexist'].includes(slsCodeOf(error))
      throw isDeleted && first !== undefined ? gone(splitFromJson(first.spec), 'the logstore was deleted') : error
    }
  }

  /** A bounded read whose first discovery did not come into the log begins again; nothing else can be missing. */
  async #missing(known: ReadonlySet<SplitId>): Promise<readonly SplitAssignment[]> {
    return known.size === 0 ? this.discover(known, true) : []
  }

  async #assignment(shard: SlsShard, first: boolean): Promise<SplitAssignment> {
    const { logstore, start, end } = this.#options
    const at = await this.#cursor(shard.id, first ? start : 'earliest')
    const until = end === 'never' ? undefined : await this.#cursor(shard.id, end)
    return {
      split: splitIdOf(logstore, shard.id),
      spec: splitToJson({ logstore, shard: shard.id, created: shard.createTime }),
      at: positionToJson(positionAt(at)),
      ...(until === undefined ? {} : { until: positionToJson(positionAt(until)) }),
    }
  }

  #cursor(shard: number, bound: string | number): Promise<string> {
    if (bound === 'earliest') return this.#client.getCursor(shard, 'begin')
    if (bound === 'latest') return this.#client.getCursor(shard, 'end')
    return this.#client.getCursor(shard, Math.ceil(millisOf(bound) / 1000))
  }

  /** Readonly shards that begin where they end: nobody has to wait for them. */
  async #exhausted(found: readonly SplitAssignment[], shards: readonly SlsShard[]): Promise<SplitId[]> {
    const closed = new Set(shards.filter(({ isReadonly }) => isReadonly).map(({ id }) => id))
    const ended = await inTurns(found, async ({ split, spec, at }) => {
      const { shard } = splitFromJson(spec)
      if (!closed.has(shard)) return undefined
      return (await this.#client.getCursor(shard, 'end')) === positionFromJson(at).cursor ? split : undefined
    })
    return ended.filter((split) => split !== undefined)
  }
}

/** Milliseconds since 1970. */
export function millisOf(bound: string | number): number {
  if (typeof bound === 'number') return bound
  // A time without an offset is UTC: a pipeline must not mean something else on another machine.
  return Date.parse(/(?:Z|[+-]\d{2}:?\d{2})$/i.test(bound) ? bound : `${bound}Z`)
}

function shardOf(split: SplitId): number {
  return Number(split.slice(split.lastIndexOf('/') + 1))
}
