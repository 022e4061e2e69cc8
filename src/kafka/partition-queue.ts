import type { BatchBuilder, ProduceTarget, RecordParts } from '../clients/kafka/index.ts'

/** A batch, and those who wait for messages in it. */
export interface ReadyBatch<Waiter> {
  readonly builder: BatchBuilder
  readonly waiters: { readonly index: number; readonly waiter: Waiter }[]
  bytes: number
}

/** Batches of one partition: one is on its way, full ones wait, and one is being filled. */
export class PartitionQueue<Waiter = never> {
  readonly target: ProduceTarget
  waitingBytes = 0
  readonly #messagesMax: number
  readonly #make: () => BatchBuilder
  readonly #ready: ReadyBatch<Waiter>[] = []
  #isSending = false

  constructor(target: ProduceTarget, messagesMax: number, make: () => BatchBuilder) {
    this.target = target
    this.#messagesMax = messagesMax
    this.#make = make
  }

  /** Returns how many bytes it takes. */
  add(parts: RecordParts, waiter: Waiter | undefined): number {
    let batch = this.#ready.at(-1)
    const bytesBefore = batch?.builder.bytes ?? 0
    if (batch === undefined || batch.builder.count >= this.#messagesMax || !batch.builder.add(parts)) {
      batch = { builder: this.#make(), waiters: [], bytes: 0 }
      batch.builder.add(parts)
      this.#ready.push(batch)
    }
    const isNew = batch.builder.count === 1
    const bytes = batch.builder.bytes - (isNew ? 0 : bytesBefore)
    if (waiter !== undefined) batch.waiters.push({ index: batch.builder.count - 1, waiter })
    batch.bytes += bytes
    this.waitingBytes += bytes
    return bytes
  }

  /** The next batch, unless one is on its way: a partition keeps the order also when that has to be repeated. */
  take(): ReadyBatch<Waiter> | undefined {
    if (this.#isSending) return undefined
    const batch = this.#ready.shift()
    this.#isSending = batch !== undefined
    return batch
  }

  settled(bytes: number): void {
    this.#isSending = false
    this.waitingBytes -= bytes
  }
}
