import type { Connection, Submittable } from 'pg'
import { assert } from '../../core/assert.ts'

/**
 * Is given each row as the server sent it, in `bytes[start…end)`, which are used again when it returns. Where it returns
 * a promise the server is made to wait until that is fulfilled; rows that have arrived come all the same.
 */
export type TakeRow = (bytes: Buffer, start: number, end: number) => Promise<void> | undefined

/** A message of `pg` that it has no type for. */
interface CopyData {
  readonly chunk: Buffer
}

/** A `COPY … TO STDOUT` in the words of `pg`, which calls these methods when messages come. Every message is one row. */
export class CopyOut implements Submittable {
  /** Fulfilled when all rows were taken. */
  readonly done: Promise<void>
  readonly #sql: string
  readonly #take: TakeRow
  readonly #resolve: () => void
  readonly #reject: (error: Error) => void
  #failure: Error | undefined

  constructor(sql: string, take: TakeRow) {
    this.#sql = sql
    this.#take = take
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.done = promise
    this.#resolve = resolve
    this.#reject = reject
  }

  submit(connection: Connection): void {
    connection.query(this.#sql)
  }

  handleCopyData({ chunk }: CopyData, connection: Connection): void {
    if (this.#failure !== undefined) return
    try {
      const wait = this.#take(chunk, 0, chunk.length)
      if (wait === undefined) return
      const { stream } = connection
      stream.pause()
      void wait.then(() => stream.resume())
    } catch (error) {
      this.handleError(error as Error)
    }
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    if (this.#failure === undefined) this.#resolve()
  }

  /** Nobody waits for the rest: whoever asked ends the connection. */
  handleError(error: Error): void {
    this.#failure ??= error
    this.#reject(this.#failure)
  }

  handleRowDescription(): void {
    assert(false, 'only COPY is streamed')
  }
}
