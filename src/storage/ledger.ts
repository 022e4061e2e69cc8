import { hostname } from 'node:os'
import type { AcknowledgePermit, CheckpointId, CommitPermit, RunEpoch } from '../core/checkpoint-types.ts'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import { failpoint } from '../core/failpoints.ts'
import {
  decodeEntry,
  encodeEntry,
  ENTRY_FORMAT,
  hashOf,
  type BeginEntry,
  type Decision,
  type LogEntry,
} from '../checkpoint/entries.ts'
import { selectGarbage } from '../checkpoint/garbage.ts'
import { baseOf, foldLineage, type Lineage } from '../checkpoint/lineage.ts'
import type { CheckpointLog } from './checkpoint-log.ts'
import { corrupt, readEntries } from './read-entries.ts'

/** What a caller says about an entry; the ledger adds place, epoch, nonce and parent. */
type Draft<K extends LogEntry['kind']> = Omit<
  LogEntry & { kind: K },
  'format' | 'seq' | 'job' | 'epoch' | 'nonce' | 'parent' | 'base' | 'clean' | 'at' | 'kind'
>

/** How often a claim moves on to the next slot before this process accepts that it has a busy twin. */
const CLAIM_TRIES = 10
const HOST = hostname()

/**
 * One process's pen for the checkpoint log. Only `claim` may move on after a conflict; every other append that meets a
 * foreign entry means that this process was fenced. Only the ledger makes commit and acknowledge permits.
 */
export class Ledger {
  readonly #log: CheckpointLog
  readonly #job: string
  readonly #nonce: string
  readonly #now: () => number
  #epoch: RunEpoch = 0
  #lastSeq = -1
  #lastHash = ''
  #clean: RunEpoch = 0
  #entries: LogEntry[] = []
  /** What the entries say, folded once for as long as they are the same. */
  #folded: { readonly of: readonly LogEntry[]; readonly lineage: Lineage } | undefined
  /** An entry that may stand in the log or not: nothing is written after it. Another claim finds out what it follows. */
  #doubt: MillraceError | undefined
  /** Appends run one after the other: each needs its predecessor's slot and hash. */
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(log: CheckpointLog, job: string, nonce: string, now: () => number) {
    this.#log = log
    this.#job = job
    this.#nonce = nonce
    this.#now = now
  }

  /**
   * R1 and R2 of a start: claims the next epoch and knows the lineage as it stood at that moment (law 2). What was read
   * before the append counts only if the claim then is the last entry: nobody wrote in between, nobody claimed since.
   *
   * A finished pipeline is not claimed: nothing is written after that, so a start every minute leaves nothing behind.
   */
  static async claim(log: CheckpointLog, job: string, nonce: string, now: () => number): Promise<Ledger> {
    const ledger = new Ledger(log, job, nonce, now)
    failpoint('restore.claim', 'before')
    for (let tries = 1; !(await ledger.#tryClaim()); tries++) {
      if (tries === CLAIM_TRIES) throw fenced(job, 'another instance keeps claiming it: is it started twice?')
    }
    failpoint('restore.claim', 'after')
    failpoint('restore.read', 'before')
    requireNewest(ledger.#entries)
    failpoint('restore.read', 'after')
    return ledger
  }

  async #tryClaim(): Promise<boolean> {
    await this.#load()
    const { epoch, nextCheckpoint, ended } = this.lineage()
    this.#epoch = epoch
    if (ended === 'finished') return true
    this.#epoch += 1
    const claimed = await this.#tryAppend('claim', { next: nextCheckpoint, host: HOST, pid: process.pid })
    if (claimed === undefined) return false
    if ((await this.#log.newest()) === claimed.seq) return true
    // Entries follow. Either the claim came so late that its slot had been used and collected, then it counts for nobody;
    // or somebody has claimed since.
    const { entries } = await readEntries(this.#log)
    if (!entries.some((entry) => entry.seq === claimed.seq)) return false
    throw fenced(this.#job, 'another instance has claimed a newer run epoch')
  }

  /** A soft rewind takes a new epoch: leftovers of the one before are found by its number. Throws FENCED. */
  async reclaim(): Promise<void> {
    await this.#queue
    this.#epoch += 1
    try {
      await this.#append('claim', { next: this.lineage().nextCheckpoint, host: HOST, pid: process.pid })
    } catch (error) {
      this.#epoch -= 1
      throw error
    }
  }

  /** The log as it is, for `checkpoints` and `status`: claims nothing. */
  static async read(log: CheckpointLog): Promise<readonly LogEntry[]> {
    return (await readEntries(log)).entries
  }

  get epoch(): RunEpoch {
    return this.#epoch
  }

  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  lineage(): Lineage {
    const entries = this.#entries
    if (this.#folded?.of !== entries) this.#folded = { of: entries, lineage: foldLineage(entries) }
    return this.#folded.lineage
  }

  /** Throws FENCED when another instance has claimed: an idle job would notice it only when it has something to publish. */
  async verifyOwnership(): Promise<void> {
    const look = this.#queue.then(async () => {
      const slot = this.#lastSeq + 1
      const found = await this.#log.read(slot)
      return found !== undefined && decodeEntry(found, slot).nonce !== this.#nonce
    })
    this.#queue = look.catch(() => undefined)
    if (await look) {
      throw fenced(this.#job, 'another instance has claimed a newer run epoch')
    }
  }

  /** What epochs below this one left behind is swept: later starts need not look for it, nor read that far back. */
  markSwept(below: RunEpoch): void {
    this.#clean = Math.max(this.#clean, below)
  }

  /** Makes known what `markSwept` was told. */
  async noteSwept(): Promise<void> {
    await this.#append('swept', {})
  }

  /** Where sources begin that no checkpoint knows. */
  async begin(sources: BeginEntry['sources']): Promise<void> {
    await this.#append('begin', { sources })
  }

  /** Publishes a manifest. The permit is the proof that lets sinks commit. Throws FENCED. */
  async publish(draft: Draft<'checkpoint'>): Promise<CommitPermit> {
    await this.#append('checkpoint', draft)
    return this.recommitPermit(draft.checkpoint)
  }

  /** Publishes a checkpoint that an operator goes back with: it has nothing to commit. Throws FENCED. */
  async rollBack(draft: Draft<'checkpoint'>): Promise<void> {
    failpoint('decision.apply', 'before')
    await this.#append('checkpoint', draft)
    failpoint('decision.apply', 'after')
  }

  /** The permit for a checkpoint that the log already holds, after a restore. */
  recommitPermit(checkpoint: CheckpointId): CommitPermit {
    const published = this.#entries.some((entry) => entry.kind === 'checkpoint' && entry.checkpoint === checkpoint)
    if (!published) throw new MillraceError(`checkpoint ${checkpoint} is not published`, { code: 'INTERNAL' })
    return { checkpoint, epoch: this.#epoch } as CommitPermit
  }

  /** Everything up to `checkpoint` is known committed. */
  async confirm(checkpoint: CheckpointId): Promise<AcknowledgePermit> {
    failpoint('confirm', 'before')
    await this.#append('confirm', { checkpoint })
    failpoint('confirm', 'after')
    return { checkpoint } as AcknowledgePermit
  }

  async decide(decision: Decision, by: string, reason: string): Promise<void> {
    failpoint('decision.apply', 'before')
    await this.#append('decision', { decision, by, reason })
    failpoint('decision.apply', 'after')
  }

  async end(as: 'stopped' | 'finished'): Promise<void> {
    await this.#append(as, {})
  }

  /** Frees the slots of checkpoints older than the `retained` newest confirmed ones. */
  async collect(retained: number): Promise<void> {
    failpoint('gc.select', 'before')
    const seqs = selectGarbage(this.#entries, retained)
    failpoint('gc.select', 'after')
    if (seqs.length === 0) return
    failpoint('gc.delete', 'before')
    await this.#log.remove(seqs)
    failpoint('gc.delete', 'after')
    const gone = new Set(seqs)
    const left = this.#entries.filter((entry) => !gone.has(entry.seq))
    const base = baseOf(left) ?? 0
    this.#entries = left.filter((entry) => entry.seq >= base)
  }

  async #load(): Promise<void> {
    const { entries, lastSeq, lastHash } = await readEntries(this.#log)
    this.#entries = entries
    this.#lastSeq = lastSeq
    this.#lastHash = lastHash
    this.#clean = entries.at(-1)?.clean ?? 0
    const foreign = entries.find((entry) => entry.job !== this.#job)
    if (foreign !== undefined) {
      throw new MillraceError(
        `${this.#log.address} holds the state of the pipeline "${foreign.job}", not "${this.#job}"`,
        {
          code: 'CONFIG',
        },
      )
    }
  }

  async #append<K extends LogEntry['kind']>(kind: K, draft: Draft<K>): Promise<void> {
    const turn = this.#queue.then(() => this.#tryAppend(kind, draft))
    this.#queue = turn.catch(() => undefined)
    if ((await turn) === undefined) throw fenced(this.#job, 'another instance has claimed a newer run epoch')
  }

  async #tryAppend<K extends LogEntry['kind']>(kind: K, draft: Draft<K>): Promise<LogEntry | undefined> {
    if (this.#doubt !== undefined) throw this.#doubt
    const entry = {
      format: ENTRY_FORMAT,
      kind,
      seq: this.#lastSeq + 1,
      job: this.#job,
      epoch: this.#epoch,
      nonce: this.#nonce,
      parent: this.#lastHash,
      base: baseOf(this.#entries) ?? this.#lastSeq + 1,
      clean: this.#clean,
      at: new Date(this.#now()).toISOString(),
      ...draft,
    } as unknown as LogEntry
    const bytes = encodeEntry(entry)
    if ((await this.#take(entry.seq, bytes)) === 'exists') {
      const found = await this.#log.read(entry.seq)
      // An append whose answer was lost may have landed: the nonce tells whether the entry is our own.
      if (found === undefined || hashOf(found) !== hashOf(bytes)) return undefined
    }
    this.#entries = [...this.#entries, entry]
    this.#lastSeq = entry.seq
    this.#lastHash = hashOf(bytes)
    return entry
  }

  async #take(seq: number, bytes: Uint8Array): Promise<'appended' | 'exists'> {
    try {
      return await this.#log.append(seq, bytes)
    } catch (thrown) {
      this.#doubt = inDoubt(thrown)
      throw this.#doubt ?? thrown
    }
  }
}

/**
 * True for an append that nobody can tell the outcome of, because the store went away in between. The process must not go
 * on from what it knows: it has to claim and read the log anew.
 */
export function isInDoubt(error: MillraceError): boolean {
  return error.detail['isLogInDoubt'] === true
}

function inDoubt(thrown: unknown): MillraceError | undefined {
  const error = toMillraceError(thrown)
  if (error.detail['isUnresolved'] !== true) return undefined
  const { code, retry, detail, message } = error
  return new MillraceError(message, { code, retry, detail: { ...detail, isLogInDoubt: true }, cause: thrown })
}

/** The newest confirmed checkpoint is never collected: without it somebody has taken files away. */
function requireNewest(entries: readonly LogEntry[]): void {
  const { confirmedUpTo, lastSeq } = foldLineage(entries)
  const isThere = entries.some((entry) => entry.kind === 'checkpoint' && entry.checkpoint === confirmedUpTo)
  if (confirmedUpTo > 0 && !isThere) throw corrupt(lastSeq, `confirms checkpoint ${confirmedUpTo}, which is not there`)
}

function fenced(job: string, why: string): MillraceError {
  return new MillraceError(`the pipeline "${job}" was taken over: ${why}`, { code: 'FENCED', detail: { job } })
}
