import { assert } from '../core/assert.ts'
import type { Batch, BytesBody } from '../core/batch.ts'
import { poisonError, rowBefore, type RecordFault } from '../transforms/record-place.ts'
import { letterOf, rawRecords, type LetterBox, type Posted } from './letter-box.ts'

/** Records as a reader gave them, at hand while they go through the steps: the bytes of dead letters are theirs. */
export class Origin {
  readonly #source: string
  readonly #batch: Batch
  readonly #body: BytesBody
  readonly #raw: (row: number) => Uint8Array
  /** Records whose bytes the decoder came by: nobody has to count up to them. */
  readonly #found = new Map<number, Uint8Array>()
  /** Numbers of the records that each step has taken out of its way, in their order. */
  readonly #gone = new Map<string, readonly number[]>()
  readonly #dead = new Set<number>()

  constructor(source: string, batch: Batch, body: BytesBody) {
    this.#source = source
    this.#batch = batch
    this.#body = body
    this.#raw = rawRecords(body)
  }

  /**
   * Dead letters of the rows that a step cannot carry, of which `behind` has taken some out before. A record becomes one
   * letter, however many steps fail on it; `again` counts those that did before.
   *
   * @throws MillraceError POISON where one of them has no way to go.
   */
  setAside(
    step: { readonly id: string; readonly part: string | undefined; readonly behind: string | undefined },
    faults: readonly RecordFault[],
    box: LetterBox,
  ): { readonly posted: readonly Posted[]; readonly again: number } {
    const before = step.behind === undefined ? [] : (this.#gone.get(step.behind) ?? [])
    const letters = faults.map((fault) => {
      const letter = letterOf(fault, rowBefore(fault.row, before), { source: this.#source, step: step.part })
      const { bytes } = fault
      if (bytes?.buffer !== this.#body.buffer) return letter
      this.#found.set(letter.row, bytes.buffer.subarray(bytes.from, bytes.to))
      return { ...letter, byte: bytes.from }
    })
    const lost = letters.findIndex(({ part }) => !box.takes(part))
    if (lost >= 0) throw poisonError(step.id, this.#batch, at(faults, lost))
    const fresh = letters.filter(({ row }) => !this.#dead.has(row))
    for (const { row } of fresh) this.#dead.add(row)
    const gone = [...before, ...letters.map(({ row }) => row)].sort((left, right) => left - right)
    this.#gone.set(step.id, gone)
    const posted = box.post(this.#source, this.#batch, fresh, (row) => this.#rawOf(row))
    return { posted, again: letters.length - fresh.length }
  }

  #rawOf(row: number): Uint8Array {
    return this.#batch.rawOf?.(row) ?? this.#found.get(row) ?? this.#raw(row)
  }
}

function at(faults: readonly RecordFault[], index: number): RecordFault[] {
  const fault = faults[index]
  assert(fault !== undefined, 'there is such a fault')
  return [fault]
}
