import { backoffMs, RESTART_BACKOFF } from '../checkpoint/backoff.ts'
import type { MillraceError } from '../core/errors.ts'
import type { ErrorCode } from '../core/error-codes.ts'
import type { JobOptions } from './job.ts'

/**
 * How many rewinds in a row, without a checkpoint published in between, an error is worth. What is not listed is tried
 * for ever: a server that is away comes back.
 */
const BUDGET: Partial<Record<ErrorCode, number>> = { AUTH: 3, INTERNAL: 3, STORE_IO: 3, SCHEMA: 1, POISON: 1 }

/** Decides whether an error is worth a soft rewind, and paces them. */
export class Rewinder {
  readonly #options: JobOptions
  readonly #signal: AbortSignal
  #checkpoint = -1
  #inARow = 0

  constructor(options: JobOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  decide(error: MillraceError, checkpoint: number): 'rewind' | 'halt' {
    if (error.retry === 'halt') return 'halt'
    this.#inARow = checkpoint === this.#checkpoint ? this.#inARow + 1 : 1
    this.#checkpoint = checkpoint
    return this.#inARow > (BUDGET[error.code] ?? Infinity) ? 'halt' : 'rewind'
  }

  async pause(error: MillraceError): Promise<void> {
    const { clock, logger, observe, random } = this.#options
    const pauseMs = backoffMs(this.#inARow, RESTART_BACKOFF, random())
    observe({ kind: 'rewinding', error, pauseMs })
    logger.warn(`going back to the last checkpoint in ${pauseMs} ms: ${error.message}`, { code: error.code })
    await clock.sleep(pauseMs, this.#signal)
  }
}
