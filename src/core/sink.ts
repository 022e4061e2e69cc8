import type { Batch } from './batch.ts'
import type { SchemaChange, SourceTable } from './changes.ts'
import type {
  AcknowledgePermit,
  CheckpointId,
  CommitOutcome,
  CommitPermit,
  Counts,
  Evidence,
  Finding,
  RunEpoch,
  SweepReport,
  SweepScope,
} from './checkpoint-types.ts'
import type { CoordinatorContext, LaneContext, PreflightContext } from './context.ts'
import type { JsonObject } from './json.ts'

/** The writing side of a connector, made from checked options. Writers live in lanes, the coordinator beside the job's. */
export interface Sink {
  /** Reachability, rights, shape of the table against the rows, timeouts and retention. Changes nothing. */
  check(context: PreflightContext): Promise<readonly Finding[]>
  writer(context: LaneContext): SinkWriter
  coordinator(context: CoordinatorContext): SinkCoordinator
}

/** Writes the rows of one lane. One writer per sink and lane; calls never overlap, except that `cut` may be pending. */
export interface SinkWriter {
  /** Where the first rows go: the ticket of the checkpoint that is being filled. Called once before the first `write`. */
  begin(checkpoint: CheckpointId, ticket: JsonObject): void

  /**
   * Takes the batch and releases it. Sends while rows arrive, so that little is left for the barrier. Resolves when the
   * writer can take more: that is the back-pressure. Throws typed errors; `restart` errors throw the checkpoint away.
   */
  write(batch: Batch): Promise<void>

  /**
   * The barrier. Before its first `await` the writer cuts: what was written belongs to the checkpoint, later `write`
   * calls belong to `next`. Then it flushes, validates (rows sent = rows taken, nothing filtered) and prepares; the
   * promise resolves when the result is durable on the server. Nothing becomes visible. Data errors surface here.
   */
  cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult>

  /** Throws away open work, also of pending cuts, which then reject. The next call is `begin`. */
  rollback(): Promise<void>

  /** Frees connections. Never aborts prepared work: only the checkpoint log knows whether it is wanted. */
  close(): Promise<void>
}

export interface CutResult {
  /** This lane's parts; empty when the lane wrote nothing since the last cut. */
  readonly committables: readonly JsonObject[]
  /** What the server took, for the accounting: must equal what was written. */
  readonly counts: Counts
}

/** Begins, commits and cleans up, on the coordinator. All methods may be repeated after a crash from another process. */
export interface SinkCoordinator {
  /**
   * True where `evidence` about a committable that was confirmed stays right for as long as the target lives: then `lost`
   * proves that the target was put back to an older state (SINK_WENT_BACK). Servers that forget, and files that anybody
   * may take away, prove nothing.
   */
  readonly remembersCommits?: boolean

  /**
   * The ticket of a checkpoint, made before its first row, one ahead of the barrier. Every start and every soft rewind
   * claims an epoch of its own, so (epoch, checkpoint) never names two things; what an earlier epoch left open is dead.
   */
  begin(checkpoint: CheckpointId, epoch: RunEpoch): Promise<JsonObject>

  /** The lanes' parts as what will be committed. Called before publishing; the result goes into the manifest. */
  combine(checkpoint: CheckpointId, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]>

  /** Makes it visible. Repeating it is success. Unclassified replies are `unknown`, never an exception. */
  commit(permit: CommitPermit, committable: JsonObject): Promise<CommitOutcome>

  /** What can be proven about each, without changing anything. */
  evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]>

  /**
   * Prepares the rows of a lost committable once more, from what was kept of them, and hands over what is to be committed
   * in its place. Nothing becomes visible. The name is one of the epoch `own`, in which it is tried once: a try that failed
   * takes another epoch. Asked only where the evidence was `lost` and `isKept`.
   */
  reload?(committable: JsonObject, own: RunEpoch): Promise<JsonObject>

  /** These are confirmed, or void: what was kept of their rows may go. */
  forget?(committables: readonly JsonObject[]): Promise<void>

  /** Aborts a prepared committable of a checkpoint that will be voided. `committed` cancels the remedy. */
  abort(committable: JsonObject): Promise<'aborted' | 'committed' | 'unknown'>

  /** Aborts what no manifest owns. Reaches only below `scope.below`. An abort that fails is an error. */
  sweep(scope: SweepScope): Promise<SweepReport>

  /**
   * Names of what a life of this sink that the log does not know left in the target: what is committed under a checkpoint
   * above `known`, and what is open or prepared under the epoch `own` or a later one. Any answer says that the log was lost
   * or put back to an older state. Asked of every sink when the log holds no checkpoint (`known` is 0), and at every start
   * of those that remember commits. Changes nothing, names a few, and knows no more than the target remembers.
   */
  findTraces(own: RunEpoch, known: CheckpointId): Promise<readonly string[]>

  /** Identity of what is written to, for the manifest: another table under the same name is refused (SCHEMA). */
  fingerprint(): Promise<JsonObject>

  /**
   * Sinks of several tables: makes sure that the target of this one is there and can take its rows. Called before its
   * first row is read, at every start again; repeating it is success. Creating disturbs no rows of other tables, so no
   * checkpoint is waited for.
   */
  openTable?(table: SourceTable): Promise<void>

  /**
   * Sinks of several tables: follows a change of shape, as far as its options say. The permit proves that every row before
   * the change is committed and confirmed; rows behind it are not read before this resolves, while those of other splits
   * go on. After a crash it is called again for the same change: compare what is there with what should be.
   */
  applySchema?(permit: AcknowledgePermit, change: SchemaChange): Promise<'applied' | 'already'>

  close(): Promise<void>
}

export interface GlobalCommittable {
  readonly orderKey: string
  readonly rows: number
  readonly committable: JsonObject
}
