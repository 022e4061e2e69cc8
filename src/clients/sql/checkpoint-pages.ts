import { MillraceError } from '../../core/errors.ts'
import { CHUNKS, type PageTarget, type SqlDialect } from './dialect.ts'
import { Page, shardOf } from './page.ts'
import type { PageConnection } from './page-connection.ts'

export interface CheckpointPagesOptions {
  readonly epoch: number
  readonly checkpoint: number
  readonly lane: number
  readonly dialect: SqlDialect
  readonly target: PageTarget
  readonly connections: readonly PageConnection[]
  readonly pageRows: number
  readonly pageBytes: number
  readonly isStaged: boolean
  readonly hasKey: boolean
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

  /** Takes a row. A promise: its page was full, and there is no room for another one yet. */
  add(key: string, row: string, isDelete: boolean): Promise<void> | undefined {
    const { connections, hasKey, isStaged, pageRows, pageBytes } = this.#options
    const number = this.#rows++
    const name = hasKey ? key : String(number)
    // Rows without a key go to any connection, but many neighbours to the same one.
    const shard = hasKey ? shardOf(key, connections.length) : Math.floor(number / pageRows) % connections.length
    const page = (this.#filling[shard] ??= new Page())
    if (isStaged) page.put(name, this.#staged(name, row, number, isDelete))
    else if (isDelete) page.delete(key)
    else page.put(key, row)
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

  /** Every row is on the server and committed there. */
  async finish(): Promise<void> {
    await Promise.all(this.#filling.map((_, shard) => this.#send(shard)))
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
    const { target, epoch } = this.#options
    const writing = connection.write({ page, target, epoch }).catch((error: unknown) => {
      this.#failure ??= { error }
    })
    this.#sent.add(writing)
    void writing.then(() => this.#sent.delete(writing))
    await connection.room()
    this.throwIfFailed()
  }

  #staged(name: string, row: string, number: number, isDelete: boolean): string {
    const { dialect, epoch, checkpoint, lane } = this.#options
    const chunk = shardOf(name, CHUNKS)
    return dialect.stagedRow([epoch, checkpoint, lane, number, isDelete ? 1 : 0, chunk], row)
  }
}
