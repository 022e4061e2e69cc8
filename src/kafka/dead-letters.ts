import type { ConsumedMessage } from './consumed-message.ts'
import type { Message } from './message.ts'

/** Names of headers that dead letters and delayed messages carry beside their own. */
export const DEAD_LETTER_HEADERS = {
  topic: 'x-original-topic',
  partition: 'x-original-partition',
  offset: 'x-original-offset',
  timestamp: 'x-original-timestamp',
  attempts: 'x-attempts',
  errorClass: 'x-error-class',
  errorMessage: 'x-error-message',
  errorStack: 'x-error-stack',
  /** Milliseconds since 1970 before which a delayed message is not handled. */
  notBefore: 'x-not-before',
  /** How often a dead letter was put back. */
  redriven: 'x-redriven',
} as const

const STACK_BYTES_MAX = 8192

/** The same message for another topic, with what went wrong in its headers. What it was first is kept over many stations. */
export function failedMessage(
  message: ConsumedMessage,
  to: { readonly topic: string; readonly notBeforeMs?: number },
  failure: { readonly error: unknown; readonly attempts: number },
): Message {
  const own = message.headers
  const text = (name: string): string | undefined => own.get(name)?.toString('utf8')
  const { topic, partition, offset, timestamp, attempts, notBefore } = DEAD_LETTER_HEADERS
  const before = Number(text(attempts) ?? 0)
  const kept = [...own].filter(([name]) => name !== notBefore)
  return {
    topic: to.topic,
    key: message.key,
    value: message.value,
    headers: {
      ...Object.fromEntries(kept),
      [topic]: text(topic) ?? message.topic,
      [partition]: text(partition) ?? String(message.partition),
      [offset]: text(offset) ?? String(message.offset),
      [timestamp]: text(timestamp) ?? String(message.timestampMs),
      [attempts]: String(before + failure.attempts),
      ...errorHeaders(failure.error),
      ...(to.notBeforeMs === undefined ? {} : { [notBefore]: String(to.notBeforeMs) }),
    },
  }
}

function errorHeaders(error: unknown): Record<string, string> {
  const { errorClass, errorMessage, errorStack } = DEAD_LETTER_HEADERS
  if (!(error instanceof Error)) return { [errorClass]: typeof error, [errorMessage]: String(error) }
  return {
    [errorClass]: error.name,
    [errorMessage]: error.message,
    [errorStack]: (error.stack ?? '').slice(0, STACK_BYTES_MAX),
  }
}

/** Where a failed message goes. */
export interface Station {
  readonly topic: string
  /** How long it has to wait there. */
  readonly delayMs: number | undefined
}

/** `orders.retry.30s`, `orders.retry.5m`, then `orders.dlq`: the station after the one that a message comes from. */
export function nextStation(message: ConsumedMessage, delaysMs: readonly number[], deadLetterTopic?: string): Station {
  const origin = message.headers.get(DEAD_LETTER_HEADERS.topic)?.toString('utf8') ?? message.topic
  const retries = delaysMs.map((delayMs) => ({ topic: retryTopic(origin, delayMs), delayMs }))
  const at = retries.findIndex(({ topic }) => topic === message.topic)
  return retries[at + 1] ?? { topic: deadLetterTopic ?? `${origin}.dlq`, delayMs: undefined }
}

/** `orders.retry.30s`. */
export function retryTopic(topic: string, delayMs: number): string {
  const units: readonly (readonly [number, string])[] = [
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1000, 's'],
  ]
  const [length, name] = units.find(([unit]) => delayMs % unit === 0) ?? [1, 'ms']
  return `${topic}.retry.${delayMs / length}${name}`
}

/** Milliseconds that a message still has to wait. */
export function waitMs(message: ConsumedMessage, nowMs: number): number {
  const notBefore = message.headers.get(DEAD_LETTER_HEADERS.notBefore)
  return notBefore === undefined || notBefore === null ? 0 : Math.max(0, Number(notBefore.toString('utf8')) - nowMs)
}

/** A message that was given up, and why. */
export interface DeadLetter {
  /** As it lies in the topic of dead letters. */
  readonly message: ConsumedMessage
  /** Where it was first; undefined when its headers do not say. */
  readonly origin:
    | { readonly topic: string; readonly partition: number; readonly offset: bigint; readonly timestampMs: number }
    | undefined
  readonly attempts: number
  readonly error: { readonly name: string; readonly message: string; readonly stack: string }
  /** How often it was put back before. */
  readonly redriven: number
}

export function deadLetterOf(message: ConsumedMessage): DeadLetter {
  const { headers } = message
  const text = (name: keyof typeof DEAD_LETTER_HEADERS): string =>
    headers.get(DEAD_LETTER_HEADERS[name])?.toString('utf8') ?? ''
  const topic = text('topic')
  const origin = {
    topic,
    partition: Number(text('partition')),
    offset: /^\d+$/.test(text('offset')) ? BigInt(text('offset')) : -1n,
    timestampMs: Number(text('timestamp')),
  }
  return {
    message,
    origin: topic === '' ? undefined : origin,
    attempts: Number(text('attempts')),
    error: { name: text('errorClass'), message: text('errorMessage'), stack: text('errorStack') },
    redriven: Number(text('redriven')),
  }
}

/**
 * A dead letter as the message that it was, for its first topic, with what is to be changed. Undefined when it was put back
 * `redrivesMax` times already: a message that always fails would go round for ever.
 */
export function redriven(letter: ConsumedMessage, redrivesMax = 1, edit: Partial<Message> = {}): Message | undefined {
  const { topic, redriven: count } = DEAD_LETTER_HEADERS
  const headers = letter.headers
  const times = Number(headers.get(count)?.toString('utf8') ?? 0)
  const origin = edit.topic ?? headers.get(topic)?.toString('utf8')
  if (origin === undefined || times >= redrivesMax) return undefined
  const ours = new Set<string>(Object.values(DEAD_LETTER_HEADERS))
  const own = [...headers].filter(([name]) => !ours.has(name))
  return {
    key: letter.key,
    value: letter.value,
    ...edit,
    topic: origin,
    headers: { ...(edit.headers ?? Object.fromEntries(own)), [count]: String(times + 1) },
  }
}
