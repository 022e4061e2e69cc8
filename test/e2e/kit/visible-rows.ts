import assert from 'node:assert/strict'
import { rowText } from './rows.ts'

/**
 * The auditor's book of what a reader of a sink sees. Every row is compared with the text that the source holds, so a
 * row that is altered, doubled or unknown is noticed when it is added, and a missing one by `prefixes`.
 */
export class VisibleRows {
  readonly #seen: Uint8Array[]
  readonly #counts: number[]
  readonly #tops: number[]

  /** `limits`: rows that each partition of the source holds. */
  constructor(limits: readonly number[]) {
    this.#seen = limits.map((limit) => new Uint8Array(limit))
    this.#counts = limits.map(() => 0)
    this.#tops = limits.map(() => -1)
  }

  /** A row as JSON text with the columns in the source's order. */
  addLine(line: string): void {
    const [, part, seq] = /^{"part":(\d+),"seq":(\d+),/.exec(line) ?? []
    if (line !== rowText(Number(part), Number(seq))) assert.fail(`a row was altered: ${line}`)
    this.add(Number(part), Number(seq))
  }

  add(part: number, seq: number): void {
    const seen = this.#seen[part]
    if (seen === undefined || !(seq < seen.length)) assert.fail(`the source has no row ${seq} in partition ${part}`)
    if (seen[seq] !== 0) assert.fail(`row ${seq} of partition ${part} is in the sink twice`)
    seen[seq] = 1
    this.#counts[part] = (this.#counts[part] ?? 0) + 1
    this.#tops[part] = Math.max(this.#tops[part] ?? -1, seq)
  }

  /** How many rows of each partition are there, whichever they are. */
  counts(): number[] {
    return [...this.#counts]
  }

  /** How many rows of each partition are there. Fails when they are not the first ones. */
  prefixes(): number[] {
    this.#tops.forEach((top, part) => {
      const missing = this.#seen[part]?.subarray(0, top + 1).indexOf(0) ?? -1
      assert.equal(missing, -1, `row ${missing} of partition ${part} is missing, and row ${top} is there`)
    })
    return this.counts()
  }
}
