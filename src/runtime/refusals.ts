import type { CycleEvent } from '../checkpoint/cycle.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import type { MillraceError } from '../core/errors.ts'
import type { Diversions } from './diverter.ts'
import { DivertedRecords } from './diverted-records.ts'
import type { HandedRecords } from './handed-records.ts'
import type { FromLane } from './messages.ts'
import { isUnplaced, PoisonSearch } from './poison-search.ts'
import type { RunOptions } from './run-options.ts'

/** Records that a server refuses: they are looked for, and put aside where the pipeline says so. */
export class Refusals {
  readonly #options: RunOptions
  readonly #diverted: DivertedRecords
  /** Has taken the lanes over. */
  #search: PoisonSearch | undefined
  /** What came while it has them. */
  #missed: CycleEvent[] = []

  constructor(options: RunOptions) {
    this.#options = options
    this.#diverted = new DivertedRecords(options.plan)
  }

  get isSearching(): boolean {
    return this.#search !== undefined
  }

  /** Whether its record has to be looked for: the server did not name it, or it may be put aside. */
  needsSearch(error: MillraceError): boolean {
    return isUnplaced(error) || this.#diverted.takes(error)
  }

  /** What lanes that begin behind the newest published checkpoint put aside at once. */
  diversions(): Diversions {
    return this.#diverted.behind(this.#options.ledger.lineage().newest?.checkpoint ?? 0)
  }

  hear(message: FromLane): void {
    this.#search?.hear(message)
  }

  /** Keeps an event for the time after the search. */
  hold(event: CycleEvent): void {
    this.#missed.push(event)
  }

  /** Names the record; `halt` brings the lanes to rest. */
  async find(
    error: MillraceError,
    checkpoint: CheckpointId,
    halt: () => Promise<readonly HandedRecords[]>,
  ): Promise<MillraceError> {
    const search = new PoisonSearch(this.#options, checkpoint, this.diversions())
    this.#search = search
    return search.place(error, await halt())
  }

  /** Puts the record that was found aside; what was held meanwhile and still counts comes back. Undefined: it has to halt. */
  putAside(error: MillraceError): readonly CycleEvent[] | undefined {
    const found = this.#search?.found
    if (found === undefined || !this.#diverted.takes(error)) return undefined
    this.#diverted.add(found, error)
    this.#search = undefined
    const missed = this.#missed
    this.#missed = []
    // A stop and confirmed checkpoints count in every phase; all else was said by lanes that are at rest now.
    return missed.filter((event) => event.kind === 'confirmed' || (event.kind === 'end' && event.as === 'stopped'))
  }
}
