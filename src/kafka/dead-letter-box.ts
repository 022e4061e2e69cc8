import { assert } from '../core/assert.ts'
import { KafkaAdmin, OUTSIDE, type GroupOffset, type KafkaClient } from '../clients/kafka/index.ts'
import type { ConsumedMessage } from './consumed-message.ts'
import { deadLetterOf, redriven, type DeadLetter } from './dead-letters.ts'
import type { Message } from './message.ts'
import { keyOf } from './partition-work.ts'
import { readRange } from './read-range.ts'
import { TransactionalProducer } from './transactional-producer.ts'

export interface DeadLetterBoxOptions {
  /** Group that remembers which letters are done with, and id of the transactions. Default: the topic and `.remedy`. */
  readonly group?: string
}

/** What to change of a letter before it is put back. */
export type LetterEdit = Partial<Pick<Message, 'topic' | 'key' | 'value' | 'headers' | 'partition'>>

/**
 * What becomes of a letter: `redrive` puts it back into its first topic as it was, an edit puts it back changed; `keep`
 * leaves it for later, at the end of the dead letters; `drop` is done with it.
 */
export type LetterDecision = 'redrive' | 'keep' | 'drop' | LetterEdit

export interface RedriveOptions {
  /** How often the same message may be put back; then it is kept, whatever was decided. Default 1. */
  readonly redrivesMax?: number
  /** Letters of one transaction. Default 100. */
  readonly batchLetters?: number
}

export interface RedriveReport {
  readonly redriven: number
  readonly kept: number
  readonly dropped: number
  /** Kept because they were put back too often, or do not say where they came from. */
  readonly refused: number
}

/** Dead letters of a topic that nobody has decided about yet. */
export class DeadLetterBox {
  readonly #client: KafkaClient
  readonly #topic: string
  readonly #group: string

  constructor(client: KafkaClient, topic: string, { group = `${topic}.remedy` }: DeadLetterBoxOptions = {}) {
    this.#client = client
    this.#topic = topic
    this.#group = group
  }

  /** Letters that are there now, partition by partition, the oldest first. */
  async *list(): AsyncGenerator<DeadLetter> {
    for await (const messages of this.#open()) for (const message of messages) yield deadLetterOf(message)
  }

  /** One letter by its place, also one that is done with; undefined when there is none. */
  async get({
    partition,
    offset,
  }: {
    readonly partition: number
    readonly offset: bigint
  }): Promise<DeadLetter | undefined> {
    const at = { topic: this.#topic, partition }
    const [begin = 0n] = await this.#client.listOffsets([at], 'earliest')
    const [end = 0n] = await this.#client.listOffsets([at], 'latest')
    if (offset < begin || offset >= end) return undefined
    for await (const [message] of readRange(this.#client, [{ ...at, from: offset, to: offset + 1n }]))
      if (message?.offset === offset) return deadLetterOf(message)
    return undefined
  }

  /**
   * Asks about every letter that is there now. What is put back or kept, and that the letter is done with, becomes true in
   * one step: whenever this is interrupted, each letter is put back once. Of two that run at the same time the later one
   * goes on and the other gets `FENCED`.
   */
  async redrive(
    decide: (letter: DeadLetter) => LetterDecision | Promise<LetterDecision>,
    { redrivesMax = 1, batchLetters = 100 }: RedriveOptions = {},
  ): Promise<RedriveReport> {
    const producer = new TransactionalProducer(this.#client, { transactionalId: this.#group })
    await producer.init()
    const report = { redriven: 0, kept: 0, dropped: 0, refused: 0 }
    for await (const messages of this.#open()) {
      for (let from = 0; from < messages.length; from += batchLetters) {
        const batch = messages.slice(from, from + batchLetters)
        const answers: Message[] = []
        for (const message of batch) {
          const decided = await decide(deadLetterOf(message))
          const { answer, counts } = answerTo(message, decided, redrivesMax)
          if (answer !== undefined) answers.push(answer)
          report[counts]++
        }
        await producer.transaction(async (transaction) => {
          await transaction.send(answers)
          await transaction.sendOffsets({ group: this.#group, offsets: [positionAfter(batch)], member: OUTSIDE })
        })
      }
    }
    return report
  }

  /** What lies between the group's positions and the ends as they are now; batches of one partition. */
  async *#open(): AsyncGenerator<readonly ConsumedMessage[]> {
    const [info] = await this.#client.topics([this.#topic])
    const partitions = (info?.partitions ?? []).map(({ partition }) => ({ topic: this.#topic, partition }))
    const stored = await new KafkaAdmin(this.#client).groupOffsets(this.#group, true)
    const positions = new Map(stored.map((at) => [keyOf(at), at.offset]))
    const begins = await this.#client.listOffsets(partitions, 'earliest')
    const ends = await this.#client.listOffsets(partitions, 'latest')
    yield* readRange(
      this.#client,
      partitions.map((at, index) => ({
        ...at,
        // Letters may be gone because the topic keeps them only for a while.
        from: maxOf(positions.get(keyOf(at)) ?? 0n, begins[index] ?? 0n),
        to: ends[index] ?? 0n,
      })),
    )
  }
}

function answerTo(
  letter: ConsumedMessage,
  decided: LetterDecision,
  redrivesMax: number,
): { readonly answer?: Message; readonly counts: keyof RedriveReport } {
  if (decided === 'drop') return { counts: 'dropped' }
  if (decided === 'keep') return { answer: again(letter), counts: 'kept' }
  const back = redriven(letter, redrivesMax, decided === 'redrive' ? {} : decided)
  return back === undefined ? { answer: again(letter), counts: 'refused' } : { answer: back, counts: 'redriven' }
}

/** The letter itself, for the end of the dead letters. */
function again({ topic, partition, key, value, headers, timestampMs }: ConsumedMessage): Message {
  return { topic, partition, key, value, headers: Object.fromEntries(headers), timestampMs }
}

function positionAfter(batch: readonly ConsumedMessage[]): GroupOffset {
  const last = batch.at(-1)
  assert(last !== undefined, 'a batch of letters is not empty')
  return { topic: last.topic, partition: last.partition, offset: last.offset + 1n }
}

function maxOf(one: bigint, other: bigint): bigint {
  return one > other ? one : other
}
