import { MillraceError } from '../../core/errors.ts'
import type { Connection, Exchange } from './connection.ts'
import type { StreamLoadTimeouts } from './endpoint.ts'
import type { HttpReply } from './reply-parser.ts'
import { wireError, within } from './wire-error.ts'

/** The body of one load, fed by the caller. */
export interface LoadBody {
  /** The final reply when it came instead of `100 Continue`: no byte of a body was sent. */
  readonly earlyReply: HttpReply | undefined
  /**
   * The final reply, whenever it comes: also in the middle of the body, when the server gives up early. Rejects when the
   * wire fails. Nobody has to listen.
   */
  readonly reply: Promise<HttpReply>
  /** Resolves when the socket took all bytes: the buffer is free again. Rejects at once after an early reply. */
  write(chunk: Uint8Array): Promise<void>
  /** Ends the body and waits for the reply. */
  end(): Promise<HttpReply>
  /** Cuts the connection in the middle of the body, which the server takes as a failed load. */
  destroy(): void
}

export interface BodyStreamOptions {
  readonly connection: Connection
  readonly exchange: Exchange
  /** The final reply when it came instead of `100 Continue`. */
  readonly earlyReply: HttpReply | undefined
  readonly timeouts: StreamLoadTimeouts
  readonly doing: string
  /** Gives the connection back, once. */
  release(isReusable: boolean): void
}

export class BodyStream implements LoadBody {
  readonly reply: Promise<HttpReply>
  readonly earlyReply: HttpReply | undefined
  readonly #options: BodyStreamOptions
  #isReplied: boolean
  #isEnded = false
  #isReleased: boolean

  constructor(options: BodyStreamOptions) {
    this.#options = options
    this.earlyReply = options.earlyReply
    this.#isReplied = options.earlyReply !== undefined
    this.#isReleased = this.#isReplied
    this.reply = options.earlyReply === undefined ? this.#watch() : Promise.resolve(options.earlyReply)
    this.reply.catch(() => undefined)
  }

  async write(chunk: Uint8Array): Promise<void> {
    const { connection, timeouts, doing } = this.#options
    if (this.#isReplied || this.#isEnded) throw this.#ended()
    // An empty chunk would end the body.
    if (chunk.length === 0) return
    const late = (): MillraceError => {
      const error = this.#failed(`the server took no data for ${timeouts.idleMs} ms`)
      connection.destroy(error)
      return error
    }
    try {
      await within(connection.writeChunk(chunk), timeouts.idleMs, late)
    } catch (cause) {
      if (this.#isReplied) throw this.#ended()
      if (cause instanceof MillraceError) throw cause
      throw wireError(doing, 'the connection broke while sending the body', {
        phase: 'body',
        mayHaveArrived: true,
        cause,
      })
    }
  }

  async end(): Promise<HttpReply> {
    if (this.#isReplied || this.#isEnded) return this.reply
    this.#isEnded = true
    this.#options.connection.writeEnd()
    const { totalMs } = this.#options.timeouts
    return within(this.reply, totalMs, () => {
      const error = this.#failed(`no whole reply within ${totalMs} ms after the body`)
      this.#options.connection.destroy(error)
      return error
    })
  }

  destroy(): void {
    this.#options.connection.destroy(this.#failed('the load was abandoned'))
    this.#release(false)
  }

  async #watch(): Promise<HttpReply> {
    try {
      const reply = await this.#options.exchange.reply
      this.#isReplied = true
      // Cutting the connection makes a write that is still waiting fail now instead of never.
      this.#release(this.#isEnded && reply.keepAlive)
      return reply
    } catch (cause) {
      this.#release(false)
      if (cause instanceof MillraceError) throw cause
      throw wireError(this.#options.doing, 'no usable reply', { phase: 'reply', mayHaveArrived: true, cause })
    }
  }

  #release(isReusable: boolean): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#options.release(isReusable)
  }

  #ended(): MillraceError {
    return this.#failed(this.#isEnded ? 'the body has ended' : 'the server replied before the end of the body')
  }

  #failed(what: string): MillraceError {
    return wireError(this.#options.doing, what, { phase: 'body', mayHaveArrived: true })
  }
}
