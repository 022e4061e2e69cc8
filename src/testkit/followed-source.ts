import type { Item } from '../core/batch.ts'
import type { AcknowledgePermit } from '../core/checkpoint-types.ts'
import type { Clock } from '../core/context.ts'
import { assert } from '../core/assert.ts'
import type { JsonObject } from '../core/json.ts'
import type { Schema } from '../core/schema.ts'
import type { Source, SplitAssignment, SplitEnumerator, SplitReader } from '../core/source.ts'
import { recordsOf } from './read-splits.ts'
import { realClock, testLaneContext, testSourceContext } from './lane-context.ts'

interface State {
  readonly assignment: SplitAssignment
  at: JsonObject
  isFinished: boolean
}

/**
 * A source as a job of one lane drives it, without the job: splits are found, read, and "published" at will, and a restart
 * goes on from what was published last.
 */
export class FollowedSource implements AsyncDisposable {
  #source: Source
  readonly #schema: Schema | undefined
  readonly #clock: Clock
  #published = new Map<string, State>()
  #live = new Map<string, State>()
  #enumerator: SplitEnumerator | undefined
  #reader: SplitReader | undefined
  readonly #kept: string[] = []
  #unpublished: string[] = []

  /** `schema`: what the pipeline was planned with. */
  constructor(source: Source, schema?: Schema, clock: Clock = realClock) {
    this.#source = source
    this.#schema = schema
    this.#clock = clock
  }

  /**
   * Everything that was read and not lost in a crash, in its order, as text; rows of several tables with their table in
   * front, and changes of their shape.
   */
  get records(): readonly string[] {
    return [...this.#kept, ...this.#unpublished]
  }

  get count(): number {
    return this.#kept.length + this.#unpublished.length
  }

  /** The record that was read last. */
  get last(): string | undefined {
    return this.#unpublished.at(-1) ?? this.#kept.at(-1)
  }

  /** Starts, or starts again after a crash, with other options too: what was not published is read again. */
  async start(source: Source = this.#source): Promise<void> {
    await this.#end()
    this.#source = source
    const isFirst = this.#published.size === 0
    this.#enumerator = this.#source.enumerator(
      testSourceContext({ times: { ...testSourceContext().times, retained: 1 }, clock: this.#clock }),
    )
    this.#reader = this.#source.reader(testLaneContext({ schema: this.#schema }))
    const restored = this.assignments()
    await this.#enumerator.verify(restored)
    this.#live = new Map([...this.#published].map(([id, state]) => [id, { ...state }]))
    this.#reader.assign(restored)
    await this.#discover(isFirst)
  }

  /** Polls until `isEnough`, publishing as it goes when asked to. */
  async readUntil(isEnough: () => boolean, { publishes = true }: { readonly publishes?: boolean } = {}): Promise<void> {
    const signal = AbortSignal.timeout(180_000)
    while (!isEnough()) {
      assert(!signal.aborted, `what is waited for comes within 30 seconds; read so far: ${this.count}`)
      for (const item of (await this.#reader?.poll(signal)) ?? []) this.#take(item)
      if (publishes) await this.publish()
    }
  }

  /** Polls once, and returns how many items came. */
  async poll(): Promise<number> {
    const items = (await this.#reader?.poll(AbortSignal.timeout(180_000))) ?? []
    for (const item of items) this.#take(item)
    return items.length
  }

  /** Reads one item, publishes, and crashes with whatever else there was. */
  async readOneItem(): Promise<void> {
    const signal = AbortSignal.timeout(180_000)
    let items: readonly Item[] = []
    while (items.length === 0) {
      assert(!signal.aborted, `an item comes within 30 seconds; read so far: ${this.count}`)
      items = (await this.#reader?.poll(signal)) ?? []
    }
    const [first, ...rest] = items
    if (first !== undefined) this.#take(first)
    for (const item of rest) if (item.kind === 'batch') item.release()
    await this.publish()
    await this.start()
  }

  #take(item: Item): void {
    const state = this.#live.get(item.split)
    assert(state !== undefined, 'the split was assigned')
    if (item.kind === 'split-end') Object.assign(state, { at: item.at, isFinished: true })
    if (item.kind === 'idle' && item.next !== undefined) state.at = item.next
    if (item.kind === 'schema-change') {
      state.at = item.next
      this.#unpublished.push(`${item.table.id}: ${item.events.map((event) => JSON.stringify(event)).join(' ')}`)
    }
    if (item.kind !== 'batch') return
    assert(JSON.stringify(item.from) === JSON.stringify(state.at), 'positions follow each other')
    state.at = item.next
    const name = item.table === undefined ? '' : `${item.table.id} `
    this.#unpublished.push(...recordsOf(item).map((record) => `${name}${record}`))
    item.release()
  }

  /** A checkpoint is published and confirmed. */
  async publish(): Promise<void> {
    this.#published = new Map([...this.#live].map(([id, state]) => [id, { ...state }]))
    for (const record of this.#unpublished) this.#kept.push(record)
    this.#unpublished = []
    const positions = [...this.#live].map(([split, { at }]) => ({ split, next: at }))
    await this.#enumerator?.acknowledge(positions, {} as AcknowledgePermit)
    await this.#discover(false)
  }

  /** Where the splits stand, as the last checkpoint has them. */
  get positions(): ReadonlyMap<string, JsonObject> {
    return new Map([...this.#published].map(([id, { at }]) => [id, at]))
  }

  /** All that were found. */
  get splits(): readonly string[] {
    return [...this.#live.keys()]
  }

  /** What a start would go on with. */
  assignments(): SplitAssignment[] {
    const open = [...this.#published.values()].filter(({ isFinished }) => !isFinished)
    return open.map(({ assignment, at }) => ({ ...assignment, at }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }

  async #discover(isFirst: boolean): Promise<void> {
    const done = [...this.#published.values()].filter(({ isFinished }) => isFinished)
    const ends = new Map(done.map(({ assignment, at }) => [assignment.split, at]))
    const known = new Set(this.#live.keys())
    const found = (await this.#enumerator?.discover(known, isFirst, new Set(ends.keys()), ends)) ?? []
    const stored = JSON.parse(JSON.stringify(found)) as SplitAssignment[]
    for (const assignment of stored) {
      this.#live.set(assignment.split, { assignment, at: assignment.at, isFinished: false })
    }
    this.#reader?.add(stored)
  }

  async #end(): Promise<void> {
    await this.#reader?.close()
    await this.#enumerator?.close()
    this.#reader = undefined
    this.#enumerator = undefined
    this.#unpublished = []
  }
}
