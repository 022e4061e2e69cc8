import { MillraceError } from '../../../core/errors.ts'
import type { LoadCounts } from '../outcomes.ts'

/** Rows sent have to be the rows that the server took: anything else would be silent loss or doubling. */
export function assertTaken(label: string, sent: number, counts: LoadCounts): void {
  if (counts.loaded === sent && counts.filtered === 0 && counts.unselected === 0) return
  throw new MillraceError(
    `${label}: ${sent} rows were sent, the server took ${counts.loaded}, ` +
      `filtered ${counts.filtered} and left out ${counts.unselected}`,
    { code: 'POISON', detail: { label, sent, ...counts } },
  )
}
