import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { MillraceError } from '../index.ts'
import { findControlAddress } from './control-address.ts'
import type { ControlReply, ControlRequest } from './control-protocol.ts'

const CONNECT_MS = 5000
/** A job that is busy answers within milliseconds; one that is stopped (SIGSTOP) never does. */
const ANSWER_MS = 10_000

/** A connection to the running job of a pipeline. */
export class ControlClient implements Disposable {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  private constructor(socket: Socket) {
    this.#socket = socket
    const lines = createInterface({ input: socket, crlfDelay: Infinity })
    // A socket that is destroyed here has no end, and whoever waits for a line would wait for ever.
    socket.on('close', () => lines.close())
    this.#lines = lines[Symbol.asyncIterator]()
  }

  /** Connects to the job whose state is in `directory`; `undefined` when none runs. */
  static async open(directory: string): Promise<ControlClient | undefined> {
    const address = findControlAddress(directory)
    if (address === undefined) return undefined
    const socket = connect(address)
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.setTimeout(CONNECT_MS, () => resolve(new Error('nobody took the connection')))
      socket.once('connect', () => resolve(undefined))
      socket.once('error', resolve)
    })
    if (error === undefined) {
      socket.setTimeout(0)
      socket.on('error', () => undefined)
      return new ControlClient(socket)
    }
    socket.destroy()
    // A socket that nobody listens on belongs to a process that was killed.
    if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return undefined
    throw new MillraceError(`connecting to the job through ${address}: ${error.message}`, {
      code: 'UNAVAILABLE',
      cause: error,
    })
  }

  /** One answer; throws what the job refuses. */
  async ask(request: ControlRequest): Promise<unknown> {
    this.#send(request)
    const timer = setTimeout(() => this.#socket.destroy(), ANSWER_MS)
    try {
      for (;;) {
        const reply = await this.#next()
        if (!('done' in reply)) continue
        if ('refused' in reply) throw refusal(reply.refused)
        return reply.value
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Records as they come, until the limit, or until the client is closed. */
  async *tap(step: string, limit: number): AsyncGenerator<string> {
    this.#send({ do: 'tap', step, limit })
    for (;;) {
      const reply = await this.#next()
      if ('records' in reply) yield* reply.records
      else if ('refused' in reply) throw refusal(reply.refused)
      else return
    }
  }

  /** Resolves when the job has closed the connection: it ended or was killed. */
  async untilGone(): Promise<void> {
    if (this.#socket.destroyed) return
    await new Promise<void>((resolve) => this.#socket.once('close', () => resolve()))
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  #send(request: ControlRequest): void {
    this.#socket.write(`${JSON.stringify(request)}\n`)
  }

  async #next(): Promise<ControlReply> {
    const { value, done } = await this.#lines.next()
    if (done === true) {
      throw new MillraceError('the job did not answer: it ended, or it does not respond', { code: 'UNAVAILABLE' })
    }
    return JSON.parse(value) as ControlReply
  }
}

function refusal(why: string): MillraceError {
  return new MillraceError(`the job refuses: ${why}`, { code: 'CONFIG' })
}
