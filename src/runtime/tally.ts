import { NOTHING } from '../checkpoint/accounting.ts'
import type { Accounting } from '../checkpoint/entries.ts'
import type { StepTotals } from './messages.ts'

/** Counts rows on their way through one lane: since the last barrier for the accounting, since the start for people. */
export class Tally {
  #since: Accounting = NOTHING
  readonly #totals = new Map<string, { rows: number; bytes: number }>()

  read(step: string, rows: number, bytes: number): void {
    this.#since = { ...this.#since, read: this.#since.read + rows }
    this.#pass(step, rows, bytes)
  }

  /** Rows that a step got and rows that it made: fewer are filtered, more are copies. */
  step(step: string, rowsIn: number, rowsOut: number): void {
    if (rowsOut < rowsIn) this.dropped(rowsIn - rowsOut)
    else this.copied(rowsOut - rowsIn)
    this.#pass(step, rowsOut, 0)
  }

  dropped(rows: number): void {
    this.#since = { ...this.#since, filtered: this.#since.filtered + rows }
  }

  /** An output with several edges sends its rows once more over each further edge. */
  copied(rows: number): void {
    this.#since = { ...this.#since, copied: this.#since.copied + rows }
  }

  written(step: string, rows: number, bytes: number): void {
    this.#pass(step, rows, bytes)
  }

  /** Hands over the counts since the last cut and begins anew. */
  cut(): Accounting {
    const counts = this.#since
    this.#since = NOTHING
    return counts
  }

  reset(): void {
    this.#since = NOTHING
  }

  totals(): Readonly<Record<string, StepTotals>> {
    return Object.fromEntries([...this.#totals].map(([step, totals]) => [step, { ...totals }]))
  }

  #pass(step: string, rows: number, bytes: number): void {
    const totals = this.#totals.get(step) ?? { rows: 0, bytes: 0 }
    totals.rows += rows
    totals.bytes += bytes
    this.#totals.set(step, totals)
  }
}
