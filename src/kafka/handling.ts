import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumedMessage } from './consumed-message.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { failedMessage, nextStation, waitMs } from './dead-letters.ts'
import { isNoFaultOfMessage } from './membership-errors.ts'
import { tryRepeatedly } from './retries.ts'

/** How messages are handled: waited for, tried, and sent elsewhere when they fail. */
export class Handling<Context> {
  readonly #options: Pick<ConsumerOptions, 'retry' | 'deadLetters'>
  readonly #handler: (messages: readonly ConsumedMessage[], context: Context) => Promise<void>
  deadLettered = 0

  constructor(
    options: Pick<ConsumerOptions, 'retry' | 'deadLetters'>,
    handler: (messages: readonly ConsumedMessage[], context: Context) => Promise<void>,
  ) {
    this.#options = options
    this.#handler = handler
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
    const tried = await tryRepeatedly((attempt) => this.#handler(messages, context(attempt)), tries, signal)
    if (tried.ok) return
    // Whoever was told to end has not failed.
    if (signal.aborted || deadLetters === undefined || isNoFaultOfMessage(tried.error)) throw tried.error
    await Promise.all(messages.map((message) => this.#sendElsewhere(message, tried)))
  }

  async #sendElsewhere(
    message: ConsumedMessage,
    failure: { readonly error: unknown; readonly attempts: number },
  ): Promise<void> {
    const { deadLetters } = this.#options
    if (deadLetters === undefined) return
    const { producer, topic, delaysMs = [] } = deadLetters
    const station = nextStation(message, delaysMs, topic)
    const { delayMs } = station
    const when = delayMs === undefined ? {} : { notBeforeMs: Date.now() + delayMs }
    await producer.send(failedMessage(message, { topic: station.topic, ...when }, failure))
    if (delayMs === undefined) this.deadLettered++
  }

  /** Messages of one topic for delayed tries wait equally long: the first one says when. */
  async #untilDue(messages: readonly ConsumedMessage[], signal: AbortSignal): Promise<void> {
    const now = Date.now()
    const ms = Math.max(...messages.map((message) => waitMs(message, now)))
    if (ms > 0) await sleep(ms, undefined, { signal })
  }
}
