import { wrapError } from '../../../core/errors.ts'
import type { LoadStream } from '../outcomes.ts'
import type { LoadRows } from './checkpoint-load.ts'

/** What stands around the rows of one request body. */
export interface BodyFraming {
  readonly open: string
  /** True when no separator may follow the last row (a JSON array). */
  readonly isArray: boolean
  readonly close: string
}

/** Rows in lines; the server reads them as they come. */
export const LINES: BodyFraming = { open: '', isArray: false, close: '' }
/** One JSON document, as StarRocks wants each load: it is collected whole before it is parsed. */
export const JSON_ARRAY: BodyFraming = { open: '[', isArray: true, close: ']' }

const COMMA = Buffer.from(',')

/** One request body, fed row by row. One write is in flight while the next is being made. */
export class FramedLoad<Outcome> {
  readonly #stream: LoadStream<Outcome>
  readonly #framing: BodyFraming
  #inFlight: Promise<void> = Promise.resolve()
  readonly openedAt: number = performance.now()
  rows = 0
  bytes = 0

  constructor(stream: LoadStream<Outcome>, framing: BodyFraming) {
    this.#stream = stream
    this.#framing = framing
  }

  async write({ buffer, length, rows }: LoadRows, done: () => void): Promise<void> {
    try {
      await this.#inFlight
    } catch (error) {
      done()
      throw error
    }
    const first = this.rows === 0
    const head = first ? this.#framing.open : this.#framing.isArray ? ',' : ''
    const chunk = buffer.subarray(0, this.#framing.isArray ? length - 1 : length)
    this.rows += rows
    this.bytes += length
    this.#inFlight = this.#send(head === '' ? undefined : head === ',' ? COMMA : Buffer.from(head), chunk).finally(done)
    // A failed write is told by the outcome; whoever comes next awaits it and hears of it.
    this.#inFlight.catch(() => undefined)
  }

  /** Ends the body and waits for the server's word. */
  async end(): Promise<Outcome> {
    await this.#inFlight.catch(() => undefined)
    if (this.#framing.close !== '') {
      await this.#stream.write(Buffer.from(this.#framing.close)).catch(() => undefined)
    }
    return this.#stream.end()
  }

  /** The server's word, also in the middle of the body. */
  get outcome(): Promise<Outcome> {
    return this.#stream.outcome
  }

  destroy(): void {
    this.#stream.destroy()
  }

  async #send(head: Buffer | undefined, chunk: Uint8Array): Promise<void> {
    try {
      await Promise.all([head === undefined ? undefined : this.#stream.write(head), this.#stream.write(chunk)])
    } catch (error) {
      throw wrapError(error, `sending rows of ${this.#stream.label}`)
    }
  }
}
