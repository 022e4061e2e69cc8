import type { StepTotals } from '../runtime/messages.ts'

const SAMPLE_MS = 250
const WINDOW_MS = 3000

type Totals = Readonly<Record<string, StepTotals>>

/** Rates of the last three seconds, from samples of totals. */
export class RateWindow {
  #samples: { readonly at: number; readonly totals: Totals }[] = []

  /** Keeps a sample when the last one is old enough. */
  add(now: number, totals: () => Totals): void {
    const last = this.#samples.at(-1)
    if (last !== undefined && now - last.at < SAMPLE_MS) return
    this.#samples.push({ at: now, totals: totals() })
    this.#samples = this.#samples.filter((sample) => now - sample.at <= WINDOW_MS)
  }

  of(step: string, now: number): { rowsPerSecond: number; bytesPerSecond: number } {
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    const isOld = last === undefined || now - last.at > WINDOW_MS
    if (first === undefined || isOld || last.at === first.at) return { rowsPerSecond: 0, bytesPerSecond: 0 }
    const seconds = (last.at - first.at) / 1000
    const per = (of: keyof StepTotals): number =>
      Math.round(((last.totals[step]?.[of] ?? 0) - (first.totals[step]?.[of] ?? 0)) / seconds)
    return { rowsPerSecond: per('rows'), bytesPerSecond: per('bytes') }
  }
}
