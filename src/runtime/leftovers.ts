import { sweepScope } from '../checkpoint/lineage.ts'
import type { RunEpoch } from '../core/checkpoint-types.ts'
import { toMillraceError } from '../core/errors.ts'
import type { RunOptions } from './run-options.ts'

/**
 * What the rewinds of a run leave prepared: where one lane or sink fails, the others may have prepared their part
 * already. Nobody owns it, and servers keep it for the longest downtime, so a long outage of one sink would use up the
 * transactions of another.
 */
export class Leftovers {
  readonly #options: Pick<RunOptions, 'ledger' | 'sinks' | 'logger' | 'swept'>
  /** Epochs before this one are clean, or the start's sweep takes care of them. */
  #from: RunEpoch

  constructor(options: Pick<RunOptions, 'ledger' | 'sinks' | 'logger' | 'swept'>) {
    this.#options = options
    this.#from = options.ledger.epoch
  }

  /** Aborts what the run's earlier epochs left. Never rejects: what stays is found by the next sweep. */
  async sweep(): Promise<void> {
    const { ledger, sinks, logger } = this.#options
    const { epoch } = ledger
    try {
      const scope = sweepScope(ledger.entries, epoch)
      const { pending } = ledger.lineage()
      await sinks.sweep({ ...scope, runs: scope.runs.filter((run) => run.epoch >= this.#from) }, (sink) =>
        pending.filter((item) => item.sink === sink).map((item) => item.committable),
      )
      this.#from = epoch
      // All below it is clean only when the start's sweep is over as well.
      void this.#options.swept.then(
        () => ledger.markSwept(epoch),
        () => undefined,
      )
    } catch (thrown) {
      logger.debug(`sweeping up after a rewind: ${toMillraceError(thrown).message}`)
    }
  }
}
