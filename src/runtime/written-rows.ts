import type { Accounting } from '../checkpoint/entries.ts'
import { MillraceError } from '../core/errors.ts'
import type { StageCut } from './stage.ts'

/** The server's count of each sink has to be ours: fewer or more rows would be silent loss or doubling. */
export function sumWritten(
  cuts: readonly StageCut[],
  checkpoint: number,
  letterSinks: ReadonlySet<string> = new Set(),
): Pick<Accounting, 'written' | 'deadLettered'> {
  let written = 0
  let deadLettered = 0
  for (const { writers, given } of cuts) {
    for (const [sink, { counts }] of writers) {
      const expected = given.get(sink) ?? 0
      if (counts.rows !== expected) {
        throw new MillraceError(
          `checkpoint ${checkpoint}: the sink "${sink}" was given ${expected} rows and took ${counts.rows}`,
          { code: 'ACCOUNTING', detail: { checkpoint, sink, given: expected, taken: counts.rows } },
        )
      }
      if (letterSinks.has(sink)) deadLettered += counts.rows
      else written += counts.rows
    }
  }
  return { written, deadLettered }
}
