/**
 * The checkpoint log: numbered slots, each written at most once. One abstraction for the local disk and object storage.
 * All methods throw `STORE_IO`; an append that returns is durable.
 */
export interface CheckpointLog {
  /** Where it is, for messages. */
  readonly address: string
  /** Numbers of all slots that are taken, ascending. */
  list(): Promise<readonly number[]>
  /** Bytes of a slot, `undefined` when it is empty. */
  read(seq: number): Promise<Uint8Array | undefined>
  /** Takes the slot if it is empty. `exists`: somebody's entry stands there; read it to learn whose. */
  append(seq: number, bytes: Uint8Array): Promise<'appended' | 'exists'>
  /** Empties slots that nothing needs any more. Never called for claims. */
  remove(seqs: readonly number[]): Promise<void>
  close(): Promise<void>
}
