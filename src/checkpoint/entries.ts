import { hash } from 'node:crypto'
import type { CheckpointId, PendingCommittable, RunEpoch } from '../core/checkpoint-types.ts'
import type { SplitAssignment } from '../core/source.ts'
import type { JsonObject } from '../core/json.ts'
import { MillraceError } from '../core/errors.ts'
import type { DeadLetterTotals } from './dead-letter-budget.ts'
import type { StateByStep } from './kept-state.ts'

/**
 * The entries of the checkpoint log and their bytes. A file is the entry as JSON, then one line with the length of
 * that JSON in bytes and its SHA-256:
 *
 *     {"format":2,"kind":"checkpoint",…}⏎
 *     <length> <sha-256 in hex>⏎
 *
 * Each entry carries the hash of the entry before it, so a log that was mixed from two histories is noticed.
 */
export const ENTRY_FORMAT = 2

interface EntryHead {
  readonly format: typeof ENTRY_FORMAT
  readonly seq: number
  readonly job: string
  readonly epoch: RunEpoch
  /** Random identity of the process that wrote the entry: tells our own entry after an unclear append. */
  readonly nonce: string
  /** Hash of the entry that stood before this one; empty for the first. */
  readonly parent: string
  /** Slot of a claim: a start reads from there on, nothing before it is needed any more. */
  readonly base: number
  /** What epochs below this one left behind is swept. */
  readonly clean: RunEpoch
  /** Wall time, for people only. */
  readonly at: string
}

/** A starting process takes the next epoch and, by occupying the slot, fences whoever wrote before. Never collected. */
export interface ClaimEntry extends EntryHead {
  readonly kind: 'claim'
  /** The first checkpoint that this epoch may publish. */
  readonly next: CheckpointId
  readonly host: string
  readonly pid: number
}

/**
 * Where sources that no checkpoint knows begin, as it was resolved at their first start: `latest` is another place at the
 * next one. Written before the first checkpoint with them is prepared, so that there is a place to go back to from it.
 */
export interface BeginEntry extends EntryHead {
  readonly kind: 'begin'
  readonly sources: Readonly<Record<string, Beginning>>
}

export interface Beginning {
  /** The moment that was resolved, such as `latest`; absent where the source begins at its beginning. */
  readonly moment?: string
  readonly splits: readonly SplitState[]
}

/** The manifest: the only commit point of the engine. */
export interface CheckpointEntry extends EntryHead {
  readonly kind: 'checkpoint'
  readonly checkpoint: CheckpointId
  readonly fingerprint: string
  readonly delivery: string
  /** Per source every split that was ever assigned, with the next position; finished splits stay in. */
  readonly sources: Readonly<Record<string, readonly SplitState[]>>
  /** Everything published and not yet confirmed, earlier checkpoints included, oldest first. */
  readonly pending: readonly PendingCommittable[]
  /** Identity of each sink's target. */
  readonly sinks: Readonly<Record<string, JsonObject>>
  readonly accounting: Accounting
  /** Of steps that keep state; absent where there are none. */
  readonly state?: StateByStep
  /** What was put aside since the pipeline began; absent where it has no dead letters. */
  readonly deadLetters?: DeadLetterTotals
  /** Milliseconds from trigger to publishing, for people. */
  readonly tookMs: number
  /** An operator went back: the positions are those of an older checkpoint, and nothing was read for this one. */
  readonly rollback?: { readonly to: CheckpointId; readonly by: string; readonly reason: string }
}

export interface SplitState extends SplitAssignment {
  readonly finished: boolean
}

/** Rows of one checkpoint. What was read is written, filtered by the user or dead-lettered; nothing else. */
export interface Accounting {
  readonly read: number
  /** Rows that left on several edges count once more for each further edge. */
  readonly copied: number
  readonly filtered: number
  readonly deadLettered: number
  readonly written: number
}

/** Every committable of this checkpoint and of those before it is known committed. */
export interface ConfirmEntry extends EntryHead {
  readonly kind: 'confirm'
  readonly checkpoint: CheckpointId
}

/** An operator's or an automatic override, audited. */
export interface DecisionEntry extends EntryHead {
  readonly kind: 'decision'
  readonly decision: Decision
  readonly by: string
  readonly reason: string
}

export type Decision =
  /** The checkpoint does not count: the job goes on from the one before. */
  | { readonly action: 'rewind'; readonly void: CheckpointId }
  /** A person has looked: this committable is in the sink. */
  | { readonly action: 'mark-committed'; readonly checkpoint: CheckpointId; readonly sink: string }
  /** The rows of this committable are given up. */
  | { readonly action: 'accept-loss'; readonly checkpoint: CheckpointId; readonly sink: string }
  /** This committable was lost; its kept rows were prepared once more, and `item` is committed in its place. */
  | {
      readonly action: 'reload'
      readonly checkpoint: CheckpointId
      readonly sink: string
      readonly lost: JsonObject
      readonly item: PendingCommittable
    }

/** Says with its `clean` that many epochs, whose processes died before they wrote anything, were swept. */
export interface SweptEntry extends EntryHead {
  readonly kind: 'swept'
}

/** The job was asked to stop and everything is confirmed; it may be started again. */
export interface StoppedEntry extends EntryHead {
  readonly kind: 'stopped'
}

/** All input was read and everything is confirmed: a later start ends at once. */
export interface FinishedEntry extends EntryHead {
  readonly kind: 'finished'
}

export type LogEntry =
  | ClaimEntry
  | BeginEntry
  | CheckpointEntry
  | ConfirmEntry
  | DecisionEntry
  | SweptEntry
  | StoppedEntry
  | FinishedEntry

export function hashOf(bytes: Uint8Array): string {
  return hash('sha256', bytes)
}

export function encodeEntry(entry: LogEntry): Buffer {
  const body = Buffer.from(`${JSON.stringify(entry)}\n`)
  return Buffer.concat([body, Buffer.from(`${body.length} ${hashOf(body)}\n`)])
}

/** Reads an entry back and checks length, hash, version and place. Throws STORE_CORRUPT. */
export function decodeEntry(bytes: Uint8Array, seq: number): LogEntry {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = buffer.lastIndexOf(0x0a, buffer.length - 2) + 1
  const trailer = /^(\d+) ([0-9a-f]{64})\n$/.exec(buffer.subarray(end).toString('latin1'))
  const body = buffer.subarray(0, end)
  if (trailer === null || Number(trailer[1]) !== body.length || trailer[2] !== hashOf(body)) {
    throw corrupt(seq, 'its length or hash does not match')
  }
  const entry = JSON.parse(body.toString('utf8')) as LogEntry
  if (entry.format !== ENTRY_FORMAT) {
    throw corrupt(seq, `it has format ${String(entry.format)}, this Millrace reads ${ENTRY_FORMAT}`)
  }
  if (entry.seq !== seq) throw corrupt(seq, `it says that it is entry ${entry.seq}`)
  return entry
}

function corrupt(seq: number, why: string): MillraceError {
  return new MillraceError(`checkpoint log entry ${seq} is damaged: ${why}`, {
    code: 'STORE_CORRUPT',
    detail: { seq },
  })
}
