import type { JsonObject } from '../core/json.ts'
import type { Ledger } from '../storage/ledger.ts'
import type { Committer } from './committer.ts'
import type { JobOptions } from './job.ts'
import type { LaneGroup } from './lane-group.ts'
import type { SinkSide } from './sink-side.ts'
import type { SourceSide } from './source-side.ts'

/** What a run and its parts are made of: the parts of a job that live from its start to its end. */
export interface RunOptions extends JobOptions {
  readonly ledger: Ledger
  readonly lanes: LaneGroup
  readonly sinks: SinkSide
  readonly sources: SourceSide
  readonly committer: Committer
  /** The clean-up of earlier runs: done before anything of this run is committed. */
  readonly swept: Promise<void>
  readonly fingerprints: Readonly<Record<string, JsonObject>>
}
