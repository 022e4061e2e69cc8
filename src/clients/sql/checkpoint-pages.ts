import { MillraceError } from '../../core/errors.ts'
import { CHUNKS, type PageTarget } from './dialect.ts'
import { shareOf } from './key-bytes.ts'
import { Page } from './page.ts'
import type { PageConnection } from './page-connection.ts'
import type { RowCursor } from './row-cursor.ts'

export interface CheckpointPagesOptions {
  readonly epoch: number
  readonly checkpoint: number
  readonly lane: number
  readonly target: PageTarget
  readonly connections: readonly PageConnection[]
  readonly pageRows: number
  readonly pageBytes: number
  readonly isStaged: boolean
  readonly hasKey: boolean
  /** Pages that were sent and may be filled again. */
  readonly spare: Page[]
}

/** A lane's rows of one checkpoint on their way: pages that fill, and pages that were sent. */
export class CheckpointPages {
  readonly #options: CheckpointPagesOptions
  readonly #filling: (Page | undefined)[] = []
  readonly #sent = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #rows = 0

  constructor(options: CheckpointPagesOptions) {
    this.#options = options
  }

  get rows(): number {
    return this.#rows
  }

  /** Rows that need no place in a page, because others behind them have their keys. */
  count(superseded: number): void {
    this.#rows += superseded
  }

  /** Takes a row. A promise: its page was full, and there is no room for another one yet. */
  add(row: RowCursor): Promise<void> | undefined {
    const { connections, hasKey, isStaged, pageRows, pageBytes, spare } = this.#options
    const number = this.#rows++
    // Rows without a key go to any connection, but many neighbours to the same one.
    const shard = hasKey ? shareOf(row.hash, connections.length) : Math.floor(number / pageRows) % connections.length
    const page = (this.#filling[shard] ??= spare.pop() ?? new Page())
    if (!hasKey) page.append(row, this.#prefix(row, number, shareOf(number, CHUNKS)))
    else if (isStaged) page.put(row, this.#prefix(row, number, shareOf(row.hash, CHUNKS)))
    else if (row.isDelete) page.delete(row)
    else page.put(row)
    if (page.rows < pageRows && page.size < pageBytes) return undefined
    return this.#send(shard)
  }

  /** Sends what waits, whatever its size, where a connection has nothing else to do. True: something still waits. */
  sendIdle(): boolean {
    let isLeft = false
    this.#filling.forEach((page, shard) => {
      if (page === undefined) return
      // A failure is heard of at the next write or at the barrier.
      if (this.#options.connections[shard]?.isIdle === true) this.#send(shard).catch(() => undefined)
      else isLeft = true
    })
    return isLeft
  }

  /** Sends what waits, and resolves when there is room for more. */
  async sendAll(): Promise<void> {
    await Promise.all(this.#filling.map((_, shard) => this.#send(shard)))
  }

  /** Every row is on the server and committed there. */
  async finish(): Promise<void> {
    await this.sendAll()
    await Promise.all(this.#sent)
    this.throwIfFailed()
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Of a rolled back checkpoint nothing more is sent. */
  discard(): void {
    this.#filling.length = 0
    this.#failure ??= {
      error: new MillraceError('the write was rolled back', { code: 'INTERRUPTED', retry: 'restart' }),
    }
  }

  async #send(shard: number): Promise<void> {
    const page = this.#filling[shard]
    const connection = this.#options.connections[shard]
    if (page === undefined || connection === undefined || page.rows === 0) return
    this.#filling[shard] = undefined
    const { target, epoch, spare, connections } = this.#options
    const writing = connection.write({ page, target, epoch }).then(
      () => {
        page.clear()
        if (spare.length < connections.length) spare.push(page)
      },
      (error: unknown) => {
        this.#failure ??= { error }
      },
    )
    this.#sent.add(writing)
    void writing.then(() => this.#sent.delete(writing))
    await connection.room()
    this.throwIfFailed()
  }

  /** The fields of a staging table in front of those of the row: STAGE_COLUMNS. */
  #prefix({ isDelete }: RowCursor, number: number, chunk: number): string {
    const { epoch, checkpoint, lane } = this.#options
    return `${epoch},${checkpoint},${lane},${number},${isDelete ? 1 : 0},${chunk},`
  }
}
