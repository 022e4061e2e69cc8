/**
 * The checkpoint log: numbered slots, each written at most once. One abstraction for the local disk and object storage.
 * All methods throw `STORE_IO`; an append that returns is durable.
 */
export interface CheckpointLog {
  /** Where it is, for messages. */
  readonly address: string
  /**
   * The highest slot that is taken; `undefined` in an empty log. Has to be as cheap in a log of many years: object
   * storage lists in the order of names, so a name should begin with what makes the newest slot come first.
   */
  newest(): Promise<number | undefined>
  /** Numbers of the slots from `from` on that are taken, ascending. */
  list(from: number): Promise<readonly number[]>
  /** Bytes of a slot, `undefined` when it is empty. */
  read(seq: number): Promise<Uint8Array | undefined>
  /** Takes the slot if it is empty. `exists`: somebody's entry stands there; read it to learn whose. */
  append(seq: number, bytes: Uint8Array): Promise<'appended' | 'exists'>
  /** Empties slots that nothing needs any more. Never called for claims. */
  remove(seqs: readonly number[]): Promise<void>
  close(): Promise<void>
}
