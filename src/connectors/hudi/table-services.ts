import type { Clock, Logger } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { FileStore } from '../../core/file-store.ts'
import { archiveTimeline } from './archive/archive.ts'
import { isArchiveDue } from './archive/choose-archive.ts'
import { chooseClean, type ReplacedFiles } from './clean/choose-clean.ts'
import { clean, findReplaced, finishCleans } from './clean/clean.ts'
import type { WriteStat } from './commit-metadata.ts'
import type { Ticket } from './committable.ts'
import type { PreparedCommit } from './prepared-commit.ts'
import { formatInstant, type Instant, instantMs } from './instant.ts'
import type { MergeWork } from './merge/merge-files.ts'
import { findSmallFiles, SmallFiles } from './merge/small-files.ts'
import { startMerge } from './merge/start-merge.ts'
import { isSameSink, type Owner } from './owner.ts'
import { removeFile } from './remove-file.ts'
import { rollback } from './rollback.ts'
import { readMetadata } from './read-metadata.ts'
import { compareInstants, type Timeline } from './timeline.ts'
import type { TimelineWatch } from './timeline-watch.ts'

export interface ServiceRules {
  readonly targetFileSize: number
  readonly mergeSmallFiles: boolean
  readonly mergeBytesPerSecond: number
  readonly retainedCommits: number
  readonly timelineCommits: number
  readonly compression: 'snappy' | 'zstd'
}

export interface TableServicesOptions {
  readonly store: FileStore
  readonly timeline: TimelineWatch
  /** Name of the table. */
  readonly table: string
  /** The Avro schema of commits. */
  readonly avroSchema: string
  readonly rules: ServiceRules
  readonly clock: Clock
  readonly log: Logger
  /** Writes the rows of several files into one. */
  readonly mergeFiles: (work: MergeWork) => Promise<readonly WriteStat[]>
}

/**
 * Keeps the table healthy between commits, one thing at a time, beside the load: removes files that merges replaced,
 * archives the timeline, merges small files. A merge is prepared here and decided like everything else, by a published
 * checkpoint that lists it. A service that fails is tried again after the next commit; rows do not depend on any.
 */
export class TableServices {
  readonly #options: TableServicesOptions
  /** `undefined`: the table has to be listed. */
  #small: SmallFiles | undefined
  /** Completed writes that the small files take into account. */
  #known: ReadonlySet<Instant> = new Set()
  /** Commits of this run since they were looked at last. */
  #own: PreparedCommit[] = []
  #replaced: readonly ReplacedFiles[] | undefined
  /** Whose new instants are. */
  #owner: Owner | undefined
  #running: Promise<void> | undefined
  /** A merge whose file is written and that no checkpoint has been offered. */
  #ready: PreparedCommit | undefined
  /** A merge that is on the timeline and not completed. */
  #open: Ticket | undefined
  #said: string | undefined
  /** Number of commits on the timeline from which on archiving is tried again. */
  #archiveFrom = 0
  readonly #stop = new AbortController()

  constructor(options: TableServicesOptions) {
    this.#options = options
  }

  /** A checkpoint of this owner was completed: time for the next round. */
  committed(prepared: PreparedCommit): void {
    const { owner, instant, merge } = prepared
    this.#owner = owner
    this.#own.push(prepared)
    if (this.#open?.instant === instant) this.#open = undefined
    if (merge !== undefined) {
      this.#replaced = this.#replaced && [...this.#replaced, { instant, paths: merge.inputs.map(({ path }) => path) }]
    }
    if (this.#running !== undefined || this.#stop.signal.aborted) return
    this.#running = this.#round()
      .catch((thrown: unknown) => {
        if (!this.#stop.signal.aborted) this.#warn(toMillraceError(thrown).message)
      })
      .finally(() => (this.#running = undefined))
  }

  /**
   * A merge that may be published with the next checkpoint. Given once: from then on the checkpoint log decides. All
   * commits that are still to come must be later than the merge, or incremental readers stumble over the gap.
   */
  takeReady(before: Instant): PreparedCommit | undefined {
    const ready = this.#ready
    if (ready === undefined || compareInstants(ready.instant, before) >= 0) return undefined
    this.#ready = undefined
    return ready
  }

  /** A merge that was offered will not come. */
  dropped({ instant, merge }: PreparedCommit): void {
    this.#options.log.warn(`the merge of ${merge?.inputs.length ?? 0} files of the Hudi table was dropped`, { instant })
    if (this.#open?.instant === instant) this.#open = undefined
    this.#small = undefined
  }

  /** Resolves when no round is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Ends what is running; a merge that was not offered to a checkpoint is taken back. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    if (this.#ready !== undefined) await this.#takeBack()
  }

  /** What does not go away is said once. */
  #warn(message: string): void {
    if (message !== this.#said) this.#options.log.warn(`looking after the Hudi table: ${message}`)
    this.#said = message
  }

  async #round(): Promise<void> {
    const { store, timeline, rules, log } = this.#options
    const owner = this.#owner
    if (owner === undefined) return
    await this.#clean(owner)
    const commits = (await timeline.read()).completedWrites.length
    if (isArchiveDue(commits, rules.timelineCommits) && commits >= this.#archiveFrom) {
      const { archived, orphan } = await archiveTimeline(store, rules.timelineCommits)
      timeline.forget()
      // An archive that is held up lists the table each time: not after every commit.
      this.#archiveFrom = commits + Math.ceil(rules.timelineCommits / 10) - archived
      if (archived > 0) log.info(`archived ${archived} instants of the Hudi table`)
      if (orphan !== undefined) this.#warn(`no instant owns ${orphan}, which keeps older instants from being archived`)
    }
    if (rules.mergeSmallFiles) await this.#merge(owner)
  }

  async #clean(owner: Owner): Promise<void> {
    const { store, timeline, rules, log } = this.#options
    failpoint('gc.select', 'before')
    if (this.#replaced === undefined) {
      await finishCleans(store, owner)
      this.#replaced = await findReplaced(store, await timeline.read(), owner)
    }
    const { completedWrites, savepoints } = await timeline.read()
    const commits = completedWrites.map(({ time }) => time)
    const { retainedCommits } = rules
    const chosen = chooseClean({ replaced: this.#replaced, commits, savepoints, retainedCommits })
    failpoint('gc.select', 'after')
    if (chosen === undefined) return
    const last = commits.at(-1) ?? chosen.earliest
    if ((await clean(store, { time: await timeline.next(), owner, chosen, last })) === 'taken') return
    const gone = new Set(chosen.replaced.map(({ instant }) => instant))
    this.#replaced = this.#replaced.filter(({ instant }) => !gone.has(instant))
    log.info(
      `removed ${chosen.replaced.flatMap(({ paths }) => paths).length} files that merges of the Hudi table replaced`,
    )
  }

  async #merge(owner: Owner): Promise<void> {
    const { store, timeline, rules, table, clock, avroSchema } = this.#options
    const before = await timeline.read()
    const small = await this.#lookForSmallFiles(before)
    const inputs = small.choose()
    if (inputs.length === 0 || this.#open !== undefined || (await hasForeignPending(store, before, owner))) return
    const ticket = { instant: await timeline.next(), owner }
    if ((await startMerge(store, ticket, inputs)) === 'taken') return
    this.#open = ticket
    try {
      const { compression, mergeBytesPerSecond: bytesPerSecond } = rules
      const { signal } = this.#stop
      const work = { store, table, ticket, inputs, compression, bytesPerSecond, clock, signal }
      const stats = await this.#options.mergeFiles(work)
      this.#ready = { ...ticket, avroSchema, stats, merge: { inputs, chosenAt: chosenAt(before, ticket.instant) } }
    } catch (thrown) {
      // What cannot be read now is left alone for this run.
      small.remove(inputs)
      await this.#takeBack()
      throw thrown
    }
  }

  /** Our own commits are counted in; what somebody else wrote may have rewritten any file. */
  async #lookForSmallFiles(timeline: Timeline): Promise<SmallFiles> {
    const own = this.#own
    this.#own = []
    const completed = timeline.completedWrites.map(({ time }) => time)
    const ours = new Set(own.map(({ instant }) => instant))
    if (completed.some((time) => !this.#known.has(time) && !ours.has(time))) this.#small = undefined
    this.#known = new Set(completed)
    if (this.#small !== undefined) {
      for (const prepared of own) this.#small.committed(prepared)
      return this.#small
    }
    const { targetFileSize, retainedCommits } = this.#options.rules
    const small = new SmallFiles({ targetFileSize, idleCommits: retainedCommits })
    await findSmallFiles(this.#options.store, timeline, small)
    this.#small = small
    return small
  }

  async #takeBack(): Promise<void> {
    const { store, timeline } = this.#options
    const open = this.#open
    const written = this.#ready?.stats ?? []
    this.#open = undefined
    this.#ready = undefined
    if (open !== undefined) await rollback(store, { ...open, action: 'replacecommit', ...timeline.promised })
    // A successor may have rolled it back while we slept, and before we wrote.
    for (const { path } of written) await removeFile(store, path)
  }
}

/** A write of somebody else that is under way may be about to rewrite what we would merge. */
async function hasForeignPending(store: FileStore, timeline: Timeline, owner: Owner): Promise<boolean> {
  const metadata = await Promise.all(timeline.pendingWrites.map((pending) => readMetadata(store, pending)))
  return metadata.some((each) => !isSameSink(owner, each?.owner))
}

/** Others take the times of instants from their own clocks. */
const CLOCK_SKEW_MS = 60_000

/** From when on commits have to be looked at, when the merge is completed. */
function chosenAt({ newest }: Timeline, merge: Instant): Instant {
  return formatInstant(instantMs(newest ?? merge) - CLOCK_SKEW_MS)
}
