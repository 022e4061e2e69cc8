import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumedMessage } from './consumed-message.ts'
import type { ConsumerOptions, DeadLetterOptions } from './consumer-options.ts'
import { failedMessage, nextStation, waitMs } from './dead-letters.ts'
import { isNoFaultOfMessage } from './membership-errors.ts'
import type { Message } from './message.ts'
import { tryRepeatedly } from './retries.ts'

/** What is done with messages, and where they go when that fails. */
export interface Treatment<Context> {
  handle(messages: readonly ConsumedMessage[], context: Context): Promise<void>
  /** Stores the letters that `messages` became. */
  store(letters: readonly Message[], messages: readonly ConsumedMessage[], context: Context): Promise<void>
}

/** How messages are handled: waited for, tried, and sent elsewhere when they fail. */
export class Handling<Context> {
  readonly #options: Pick<ConsumerOptions, 'retry' | 'deadLetters'>
  readonly #treatment: Treatment<Context>
  deadLettered = 0

  constructor(options: Pick<ConsumerOptions, 'retry' | 'deadLetters'>, treatment: Treatment<Context>) {
    this.#options = options
    this.#treatment = treatment
  }

  /**
   * Resolves when the messages are handled, or safe in another topic. Rejects with the error of the handler when there is
   * none, or with that of sending them there: then nothing may be committed.
   */
  async handle(
    messages: readonly ConsumedMessage[],
    context: (attempt: number) => Context,
    signal: AbortSignal,
  ): Promise<void> {
    const { retry = { attempts: 1 }, deadLetters } = this.#options
    if (deadLetters?.delaysMs !== undefined) await this.#untilDue(messages, signal)
    const { isRetryable = () => true } = retry
    const tries = { ...retry, isRetryable: (error: unknown) => !isNoFaultOfMessage(error) && isRetryable(error) }
    const tried = await tryRepeatedly((attempt) => this.#treatment.handle(messages, context(attempt)), tries, signal)
    if (tried.ok) return
    // Whoever was told to end has not failed.
    if (signal.aborted || deadLetters === undefined || isNoFaultOfMessage(tried.error)) throw tried.error
    const moves = messages.map((message) => this.#elsewhere(message, deadLetters, tried))
    const letters = moves.map(({ letter }) => letter)
    await this.#treatment.store(letters, messages, context(tried.attempts))
    this.deadLettered += moves.filter(({ isLast }) => isLast).length
  }

  #elsewhere(
    message: ConsumedMessage,
    { topic, delaysMs = [] }: DeadLetterOptions,
    failure: { readonly error: unknown; readonly attempts: number },
  ): { readonly letter: Message; readonly isLast: boolean } {
    const station = nextStation(message, delaysMs, topic)
    // It would come back at once, for ever.
    if (station.topic === message.topic) throw failure.error
    const { delayMs } = station
    const when = delayMs === undefined ? {} : { notBeforeMs: Date.now() + delayMs }
    const letter = failedMessage(message, { topic: station.topic, ...when }, failure)
    return { letter, isLast: delayMs === undefined }
  }

  /** Messages of one topic for delayed tries wait equally long: the first one says when. */
  async #untilDue(messages: readonly ConsumedMessage[], signal: AbortSignal): Promise<void> {
    const now = Date.now()
    const ms = Math.max(...messages.map((message) => waitMs(message, now)))
    if (ms > 0) await sleep(ms, undefined, { signal })
  }
}
