import type { CheckpointLog } from '../storage/checkpoint-log.ts'

/** A checkpoint log in memory that a test can hold, change and let fail. */
export class MemoryLog implements CheckpointLog {
  readonly address: string = 'memory'
  readonly slots: Map<number, Uint8Array> = new Map()
  /** Everything that was ever appended, collected or not. */
  readonly history: { readonly seq: number; readonly bytes: Buffer }[] = []
  reads = 0
  /** Slots that listings have named. */
  listed = 0
  /** Called before an append takes its slot; throws to let it fail. */
  onAppend: (seq: number, bytes: Uint8Array) => void = () => undefined
  /** Awaited before an append looks at its slot, and after it has taken it. */
  onAppendAsync: (seq: number) => Promise<void> = async () => undefined
  onAppended: (seq: number) => Promise<void> = async () => undefined
  /** Awaited before each call takes effect. */
  between: () => Promise<unknown> = async () => undefined

  async newest(): Promise<number | undefined> {
    await this.between()
    return this.slots.size === 0 ? undefined : Math.max(...this.slots.keys())
  }

  async list(from: number): Promise<number[]> {
    await this.between()
    const seqs = [...this.slots.keys()].filter((seq) => seq >= from).sort((a, b) => a - b)
    this.listed += seqs.length
    return seqs
  }

  async read(seq: number): Promise<Uint8Array | undefined> {
    await this.between()
    this.reads++
    return this.slots.get(seq)
  }

  async append(seq: number, bytes: Uint8Array): Promise<'appended' | 'exists'> {
    await this.between()
    await this.onAppendAsync(seq)
    this.onAppend(seq, bytes)
    if (this.slots.has(seq)) return 'exists'
    this.slots.set(seq, bytes)
    this.history.push({ seq, bytes: Buffer.from(bytes) })
    await this.onAppended(seq)
    return 'appended'
  }

  async remove(seqs: readonly number[]): Promise<void> {
    await this.between()
    for (const seq of seqs) this.slots.delete(seq)
  }

  async close(): Promise<void> {}
}
