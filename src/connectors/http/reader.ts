import type { Batch, Item } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { fetchAnswer } from './fetch-answer.ts'
import { jsonItems } from './json-items.ts'
import type { HttpSourceOptions } from './options.ts'

/** How long an idle poll waits. */
const IDLE_MS = 20
const TRIES = 5
const BACKOFF_MS = 200
const BATCH_BYTES = 1024 * 1024
const BATCH_ROWS = 16_384

/** What comes of a split, as soon as it is known. */
interface PendingAnswer {
  items: Item[] | undefined
  failure: MillraceError | undefined
}

/** Asks for the answer once it has a split, and gives its rows as lines. */
export class HttpReader implements SplitReader {
  readonly #options: HttpSourceOptions
  readonly #context: LaneContext
  #generation = new AbortController()
  #pending: PendingAnswer[] = []

  constructor(options: HttpSourceOptions, context: LaneContext) {
    this.#options = options
    this.#context = context
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#generation.abort()
    this.#generation = new AbortController()
    this.#pending = []
    this.add(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    const { signal } = this.#generation
    for (const split of splits) {
      const pending: PendingAnswer = { items: undefined, failure: undefined }
      this.#pending.push(pending)
      this.#read(split, signal).then(
        (items) => (pending.items = items),
        (thrown: unknown) => (pending.failure = toMillraceError(thrown)),
      )
    }
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    if (signal.aborted) return []
    const [first] = this.#pending
    if (first?.failure !== undefined) throw first.failure
    const item = first?.items?.shift()
    if (first?.items?.length === 0) this.#pending.shift()
    if (item !== undefined) return [item]
    await this.#context.clock.sleep(IDLE_MS, signal).catch(() => undefined)
    return []
  }

  async close(): Promise<void> {
    this.#generation.abort()
  }

  /** Everything that is behind the position, and the end. */
  async #read(assignment: SplitAssignment, signal: AbortSignal): Promise<Item[]> {
    const answer = await this.#fetch(signal)
    const { rows } = this.#options
    const { split } = assignment
    const from = Number(assignment.at['row'])
    const found = [...jsonItems(answer, rows?.split('.') ?? [])]
    const items: Item[] = []
    for (let row = from; row < found.length;) {
      const batch = this.#batch(answer, found, row, split)
      items.push(batch)
      row += batch.rows
    }
    items.push({ kind: 'split-end', split, at: { row: Math.max(from, found.length) } })
    return items
  }

  #batch(answer: Buffer, found: readonly (readonly [number, number])[], from: number, split: string): Batch {
    let bytes = 0
    let to = from
    while (to < found.length && to - from < BATCH_ROWS && (to === from || bytes < BATCH_BYTES)) {
      const [start, end] = found[to] ?? [0, 0]
      bytes += end - start + 1
      to++
    }
    const { format } = this.#context
    const separator = format.kind === 'bytes' ? format.separator : 0x0a
    const buffer = Buffer.allocUnsafeSlow(bytes)
    const ends = new Uint32Array(to - from)
    let length = 0
    for (let row = from; row < to; row++) {
      const [start, end] = found[row] ?? [0, 0]
      for (let at = start; at < end; at++) {
        const byte = answer[at] ?? 0
        buffer[length++] = byte === 0x0a || byte === 0x0d ? 0x20 : byte
      }
      ends[row - from] = length
      buffer[length++] = separator
    }
    return {
      kind: 'batch',
      split,
      from: { row: from },
      next: { row: to },
      body: { kind: 'bytes', buffer, length, separator, ends },
      rows: to - from,
      bytes,
      release: () => undefined,
    }
  }

  async #fetch(signal: AbortSignal): Promise<Buffer> {
    for (let tried = 1; ; tried++) {
      try {
        return await fetchAnswer(this.#options, signal)
      } catch (thrown) {
        signal.throwIfAborted()
        const error = toMillraceError(thrown)
        if (error.retry !== 'retry') throw error
        if (tried === TRIES)
          throw new MillraceError(error.message, { code: error.code, retry: 'restart', cause: thrown })
        await this.#context.clock.sleep(BACKOFF_MS * 2 ** tried, signal)
      }
    }
  }
}
