import type { Clock } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'
import type { Ledger } from '../storage/ledger.ts'

const LOOK_MS = 2000

/**
 * Notices within seconds that another instance has taken the pipeline over, also while there is nothing to publish.
 * Safety does not depend on it: a fenced instance cannot publish in any case.
 */
export async function watchOwnership(
  ledger: Pick<Ledger, 'verifyOwnership'>,
  clock: Clock,
  signal: AbortSignal,
  fenced: (error: MillraceError) => void,
): Promise<void> {
  for (;;) {
    await clock.sleep(LOOK_MS, signal)
    if (signal.aborted) return
    try {
      await ledger.verifyOwnership()
    } catch (error) {
      // What is wrong with the store is told by the next write to it.
      if (error instanceof MillraceError && error.code === 'FENCED') return fenced(error)
    }
  }
}
