import { BroadcastChannel } from 'node:worker_threads'
import type { Lsn } from '../../clients/postgres-replication/index.ts'

/**
 * Carries what is confirmed from the coordinator to the lane whose connection streams from the slot: the server takes it
 * from nobody else while it streams. A message that is lost keeps the log a little longer, and nothing else.
 */
export class Confirmations {
  readonly #channel: BroadcastChannel
  readonly #retained: number
  /** Places of the last confirmed checkpoints: a job may be put back to the oldest of those that are kept. */
  #places: readonly Lsn[] = []

  constructor(application: string, retained: number) {
    this.#channel = new BroadcastChannel(channelName(application))
    this.#channel.unref()
    this.#retained = Math.max(1, retained)
  }

  confirmed(lsn: Lsn): void {
    this.#places = [...this.#places, lsn].slice(-this.#retained)
    const [oldest] = this.#places
    if (this.#places.length === this.#retained && oldest !== undefined) this.#channel.postMessage(oldest)
  }

  close(): void {
    this.#channel.close()
  }
}

/** Hears in a lane what was confirmed. Returns the function that ends it. */
export function hearConfirmations(application: string, heard: (lsn: Lsn) => void): () => void {
  const channel = new BroadcastChannel(channelName(application))
  channel.unref()
  channel.onmessage = (event: unknown) => {
    const data = typeof event === 'object' && event !== null && 'data' in event ? event.data : undefined
    if (typeof data === 'bigint') heard(data)
  }
  return () => channel.close()
}

function channelName(application: string): string {
  return `millrace.postgres-cdc.${application}`
}
