import { isUtf8 } from 'node:buffer'
import { assert } from '../../core/assert.ts'
import type { Batch, Item } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { LaneDatabase } from '../../dataplane/index.ts'
import {
  AnswerMemory,
  DamagedAnswer,
  LogLines,
  LogReader,
  type LineTarget,
  type SlsClient,
} from '../../clients/sls/index.ts'
import { LinePool } from './line-pool.ts'
import { LogTables, assertReadable } from './log-tables.ts'
import { OpenAnswer } from './open-answer.ts'
import type { SlsSourceOptions } from './options.ts'
import { poisonLog } from './poison.ts'
import { ShardFeeds, type FeedOptions } from './shard-feeds.ts'

/** How long a poll waits for something to come. */
const WAIT_MS = 20
const TIMES = { settleMs: 2000, idleMs: 100, damagedMs: 100 } as const

/**
 * Reads shards of one lane. Answers are pulled ahead of use, within a budget of bytes; each is checked as a whole before
 * anything of it is used, and then given out in batches, as JSON lines or as tables.
 */
export class SlsReader implements SplitReader {
  readonly #client: SlsClient
  readonly #context: LaneContext
  readonly #feeds: ShardFeeds
  readonly #logs = new LogReader()
  readonly #quick = AnswerMemory.open()
  readonly #lines = new LogLines()
  readonly #pool: LinePool
  readonly #tables: LogTables | undefined
  #answer: OpenAnswer | undefined
  /** The bytes of the answer that is given out; used again for the next. */
  #memory: Buffer | undefined

  constructor(options: SlsSourceOptions, client: SlsClient, context: LaneContext, times: Partial<FeedOptions> = {}) {
    this.#client = client
    this.#context = context
    const { clock, log } = context
    this.#feeds = new ShardFeeds(client, { codec: options.compression, clock, log, ...TIMES, ...times })
    this.#pool = new LinePool(context.format.kind === 'bytes' ? context.format.separator : 0x0a)
    if (context.format.kind !== 'table') return
    assertReadable(context.schema)
    this.#tables = new LogTables(context.schema, context.metadata)
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#answer = undefined
    this.#feeds.assign(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    this.#feeds.add(splits)
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    if (signal.aborted) return []
    this.#feeds.pullMore()
    const ended = this.#feeds.takeEnded()
    if (ended.length > 0) return ended
    const answer = (this.#answer ??= await this.#nextAnswer(signal))
    if (answer === undefined) return this.#feeds.takeEnded()
    const batch = answer.isUsedUp ? undefined : await this.#gather(answer)
    if (answer.isUsedUp) {
      this.#answer = undefined
      this.#feeds.usedUp(answer)
    }
    return batch === undefined ? this.#feeds.takeEnded() : [batch, ...this.#feeds.takeEnded()]
  }

  async close(): Promise<void> {
    this.#feeds.close()
    await this.#client.close()
  }

  /** The next answer that has groups, checked. */
  async #nextAnswer(signal: AbortSignal): Promise<OpenAnswer | undefined> {
    const next = await this.#feeds.next(signal, WAIT_MS)
    if (next === undefined) return undefined
    const { feed, pulled } = next
    if (pulled.groups === 0) {
      this.#feeds.empty(feed, pulled)
      return undefined
    }
    try {
      const answer = new OpenAnswer(feed, pulled, { logs: this.#logs, memory: this.#memory, quick: this.#quick })
      this.#memory = answer.memory
      this.#feeds.opened(answer, pulled)
      this.#feeds.pullMore()
      return answer
    } catch (error) {
      if (!(error instanceof DamagedAnswer)) throw error
      this.#feeds.damaged(feed, error)
      return undefined
    }
  }

  #gather(answer: OpenAnswer): Promise<Batch> | Batch {
    return this.#tables === undefined ? this.#gatherLines(answer) : this.#gatherTable(answer, this.#tables)
  }

  #gatherLines(answer: OpenAnswer): Batch {
    const start = answer.place
    const eventMs = this.#logs.time * 1000
    const target = this.#fill(answer)
    const text = target.buffer.subarray(0, target.length)
    if (!isUtf8(text)) throw this.#poisonLine(answer, start, target)
    const pool = this.#pool
    const offset =
      answer.isTraced && start.group !== undefined ? new BigInt64Array(target.rows).fill(start.group) : undefined
    return {
      kind: 'batch',
      split: answer.split,
      ...answer.takePositions(),
      body: {
        kind: 'bytes',
        buffer: target.buffer,
        length: target.length,
        separator: target.separator,
        ends: target.ends,
        ...(offset === undefined ? {} : { metadata: { offset } }),
      },
      rows: target.rows,
      eventMs,
      bytes: target.length,
      release: () => pool.give(target),
    }
  }

  #fill(answer: OpenAnswer): LineTarget & { readonly buffer: Buffer } {
    const usual = this.#pool.take()
    this.#lines.write(this.#logs, usual, answer.groupEnd)
    if (usual.rows > 0) return usual
    this.#pool.give(usual)
    const large = this.#pool.make(LogLines.bytesMax(this.#logs) + 1)
    this.#lines.write(this.#logs, large, answer.groupEnd)
    assert(large.rows > 0, 'a buffer that is made for a log holds it')
    return large
  }

  #poisonLine(answer: OpenAnswer, start: { readonly index: number; readonly log: number }, target: LineTarget): Error {
    let row = 0
    let from = 0
    for (; row < target.rows; row++) {
      const end = target.ends[row] ?? 0
      if (!isUtf8(target.buffer.subarray(from, end))) break
      from = end + 1
    }
    return poisonLog(answer.placeOf(start, row), '', 'invalid UTF-8 (a column of type blob takes any bytes)')
  }

  async #gatherTable(answer: OpenAnswer, tables: LogTables): Promise<Batch> {
    const start = answer.place
    const eventMs = this.#logs.time * 1000
    const database = await this.#context.database()
    assert(database instanceof LaneDatabase, 'the lane has a database of the data plane')
    const { shard, firstGroup: first, groupEnd, isTraced } = answer
    const decoded = await tables.decode(this.#logs, { shard, first, groupEnd, isTraced }, database)
    if (!decoded.ok) {
      const { row, column, reason } = decoded.fault
      throw poisonLog(answer.placeOf(start, row), column, reason)
    }
    const { relation, rows, bytes, release } = decoded
    return {
      kind: 'batch',
      split: answer.split,
      ...answer.takePositions(),
      body: { kind: 'table', relation, schema: this.#context.schema ?? [] },
      rows,
      eventMs,
      bytes,
      release,
    }
  }
}
