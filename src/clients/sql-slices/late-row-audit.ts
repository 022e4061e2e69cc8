import type { AuditWindow, Cut } from './cut.ts'

/** More are joined: manifests stay small. */
const WINDOWS_MAX = 4

interface TimedWindow extends AuditWindow {
  /** When its last row was read, as far as this process knows. */
  at: number
}

/**
 * Remembers how many rows were read between which cuts, until they are old enough to be counted again: more rows than
 * were read have come late. Windows follow each other without gaps.
 */
export class LateRowAudit {
  readonly #afterMs: number
  #windows: TimedWindow[]

  constructor(afterMs: number, restored: readonly AuditWindow[], now: number) {
    this.#afterMs = afterMs
    this.#windows = restored.map((window) => ({ ...window, at: now }))
  }

  get windows(): readonly AuditWindow[] {
    return this.#windows.map(({ from, to, rows }) => ({ from, to, rows }))
  }

  add(from: Cut | undefined, to: Cut, rows: number, now: number): void {
    const last = this.#windows.at(-1)
    const share = this.#afterMs / WINDOWS_MAX
    if (last !== undefined && (now - last.at < share || this.#windows.length === WINDOWS_MAX)) {
      // The time of a window that goes on growing stays: that of the rest of it is told by what is added.
      Object.assign(last, { to, rows: last.rows + rows, at: this.#windows.length === WINDOWS_MAX ? now : last.at })
    } else this.#windows.push({ from, to, rows, at: now })
  }

  /** The oldest window, when it is time to count it again. */
  due(now: number): AuditWindow | undefined {
    const [first] = this.#windows
    return first !== undefined && first.at + this.#afterMs * 1.25 <= now ? first : undefined
  }

  /** The oldest window was counted. */
  passed(): void {
    this.#windows = this.#windows.slice(1)
  }

  /** Other rows are asked for from here on: counts of before say nothing. */
  clear(): void {
    this.#windows = []
  }
}
