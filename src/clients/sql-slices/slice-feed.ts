import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { SplitAssignment } from '../../core/source.ts'
import { cutFromJson, positionFromJson, positionToJson, type Cut } from './cut.ts'
import type { SliceDialect, SliceSession } from './dialect.ts'
import type { LateRowAudit } from './late-row-audit.ts'
import { hasRoom, type LinePool, type LineTarget } from './line-target.ts'
import type { RowEncoder } from './row-encoder.ts'
import type { SliceQuery } from './slice-query.ts'
import { specFromJson, type SliceSpec } from './slice-split.ts'

/** What the feeds of a lane share. */
export interface FeedSettings {
  readonly dialect: SliceDialect
  readonly pool: LinePool
  readonly pageRows: number
  readonly separator: number
  /** Takes a batch in; a promise: the server is to wait until it is fulfilled. */
  readonly emit: (batch: Batch) => Promise<void> | undefined
  /** Watches over what a split gives; `undefined`: nobody does. */
  readonly audit: (assignment: SplitAssignment) => LateRowAudit | undefined
  readonly now: () => number
}

/** Reads one split, page by page; each page goes on behind the last row of the one before. */
export class SliceFeed {
  readonly split: string
  /** The end of a range; a feed without one follows its table. */
  readonly until: Cut | undefined
  readonly #settings: FeedSettings
  #spec: SliceSpec
  #query: SliceQuery
  #encoder: RowEncoder
  /** Behind the last batch that was given. */
  #cut: Cut | undefined
  /** Up to here there is nothing more, although no batch says so. */
  #known: Cut | undefined
  readonly #audit: LateRowAudit | undefined
  #target: LineTarget | undefined

  constructor(assignment: SplitAssignment, query: SliceQuery, settings: FeedSettings) {
    this.split = assignment.split
    this.#spec = specFromJson(assignment.spec)
    this.until = assignment.until === undefined ? undefined : cutFromJson(assignment.until)
    this.#cut = positionFromJson(assignment.at).cut
    this.#audit = settings.audit(assignment)
    this.#query = query
    this.#settings = settings
    this.#encoder = settings.dialect.encoder(query.layout)
  }

  get spec(): SliceSpec {
    return this.#spec
  }

  /** Up to where everything is given, or is known not to be there. */
  get reached(): Cut | undefined {
    return this.#known ?? this.#cut
  }

  get isAuditDue(): boolean {
    return this.#audit?.due(this.#settings.now()) !== undefined
  }

  /**
   * Counts what was read a while ago again.
   *
   * @returns how many rows came late.
   */
  async auditDue(session: SliceSession): Promise<number> {
    const due = this.#audit?.due(this.#settings.now())
    if (due === undefined) return 0
    const rows = await this.#query.count(session, due.from, due.to)
    this.#audit?.passed()
    return Math.max(0, rows - due.rows)
  }

  /** Reads something else from here on: another condition, or another table. */
  read(spec: SliceSpec, query: SliceQuery): void {
    this.#spec = spec
    this.#query = query
    this.#encoder = this.#settings.dialect.encoder(query.layout)
    this.#known = undefined
    this.#audit?.clear()
  }

  get position(): ReturnType<typeof positionToJson> {
    return positionToJson({ cut: this.#cut, windows: this.#audit?.windows ?? [] })
  }

  /**
   * Reads the next page in front of `to`. True when that was the last one.
   *
   * What a broken connection left unfinished is thrown away; whole batches stay, and the next call goes on behind them.
   */
  async readPage(session: SliceSession, to: Cut, signal: AbortSignal): Promise<boolean> {
    const { pageRows } = this.#settings
    let rows = 0
    const page = this.#query.page(this.reached, to, pageRows)
    try {
      const take = (bytes: Buffer, start: number, end: number): Promise<void> | undefined => {
        // Rows that were on their way belong to nobody any more.
        signal.throwIfAborted()
        rows++
        return this.#take(bytes, start, end)
      }
      await session.stream(page, take, signal)
      signal.throwIfAborted()
      await this.#flush()
    } finally {
      this.#drop()
    }
    signal.throwIfAborted()
    const isLast = rows < pageRows
    this.#known = isLast ? to : undefined
    return isLast
  }

  #take(bytes: Buffer, start: number, end: number): Promise<void> | undefined {
    const encoder = this.#encoder
    const most = encoder.bytesMax(end - start)
    let wait: Promise<void> | undefined
    if (this.#target !== undefined && !hasRoom(this.#target, most)) wait = this.#flush()
    this.#target ??= this.#settings.pool.take(most)
    encoder.encode(this.#target, bytes, start, end)
    return wait
  }

  /** Gives away the lines that were gathered: the last of them says where reading stands. */
  #flush(): Promise<void> | undefined {
    const target = this.#target
    this.#target = undefined
    if (target === undefined) return undefined
    assert(target.rows > 0, 'a target is only taken for a row')
    const { pool, emit, separator } = this.#settings
    const from = this.position
    const start = this.#cut
    this.#cut = { key: this.#encoder.lastKey(), side: 'after' }
    this.#known = undefined
    this.#audit?.add(start, this.#cut, target.rows, this.#settings.now())
    return emit({
      kind: 'batch',
      split: this.split,
      from,
      next: this.position,
      body: {
        kind: 'bytes',
        buffer: target.buffer,
        length: target.length,
        separator,
        ends: target.ends,
      },
      rows: target.rows,
      bytes: target.length,
      release: () => pool.give(target),
    })
  }

  #drop(): void {
    if (this.#target !== undefined) this.#settings.pool.give(this.#target)
    this.#target = undefined
  }
}
