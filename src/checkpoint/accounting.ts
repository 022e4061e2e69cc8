import { MillraceError } from '../core/errors.ts'
import type { Accounting } from './entries.ts'

export const NOTHING: Accounting = { read: 0, copied: 0, filtered: 0, deadLettered: 0, written: 0 }

export function addAccounting(a: Accounting, b: Accounting): Accounting {
  return {
    read: a.read + b.read,
    copied: a.copied + b.copied,
    filtered: a.filtered + b.filtered,
    deadLettered: a.deadLettered + b.deadLettered,
    written: a.written + b.written,
  }
}

/** Law 5: a dropped record is an error with an exit code, never a log line. */
export function assertBalanced(counts: Accounting, checkpoint: number): void {
  if (counts.read + counts.copied === counts.written + counts.filtered + counts.deadLettered) return
  throw new MillraceError(
    `checkpoint ${checkpoint} does not add up: read ${counts.read} (+ ${counts.copied} copies) is not ` +
      `written ${counts.written} + filtered ${counts.filtered} + dead-lettered ${counts.deadLettered}`,
    { code: 'ACCOUNTING', detail: { checkpoint, ...counts } },
  )
}
