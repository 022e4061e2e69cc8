import { decodeEntry, hashOf, type LogEntry } from '../checkpoint/entries.ts'
import { withoutLateClaims } from '../checkpoint/lineage.ts'
import { MillraceError } from '../core/errors.ts'
import type { CheckpointLog } from './checkpoint-log.ts'

/** Entries that are asked for together: a log of many starts is long, and each answer takes its way. */
const READ_AT_ONCE = 256

export interface ReadLog {
  readonly entries: LogEntry[]
  /** The last slot that is taken, which may have been collected while we read. */
  readonly lastSeq: number
  readonly lastHash: string
}

/** The entries that count, from the one that the newest entry calls its base. */
export async function readEntries(log: CheckpointLog): Promise<ReadLog> {
  for (let before = -1; ;) {
    const newest = await log.newest()
    if (newest === undefined) return { entries: [], lastSeq: -1, lastHash: '' }
    const found = await log.read(newest)
    // Collected since it was named: others stand after it by now.
    if (found === undefined && newest > before) {
      before = newest
      continue
    }
    if (found === undefined) throw corrupt(newest, 'is listed and cannot be read')
    const last = { entry: decodeEntry(found, newest), hash: hashOf(found) }
    const { base } = last.entry
    const read = [...(await readSlots(log, base, newest)), last]
    if (base !== newest && read[0]?.entry.seq !== base) throw corrupt(base, 'is missing, and claims never go')
    return checkChain(read, newest)
  }
}

type ReadEntry = { readonly entry: LogEntry; readonly hash: string }

/** What stands from slot `from` to before slot `to`. */
async function readSlots(log: CheckpointLog, from: number, to: number): Promise<ReadEntry[]> {
  const seqs = (await log.list(from)).filter((seq) => seq < to)
  const read: ReadEntry[] = []
  for (let at = 0; at < seqs.length; at += READ_AT_ONCE) {
    const part = seqs.slice(at, at + READ_AT_ONCE)
    const bytes = await Promise.all(part.map((seq) => log.read(seq)))
    part.forEach((seq, index) => {
      const found = bytes[index]
      // Collected between listing and reading: nothing needs it.
      if (found !== undefined) read.push({ entry: decodeEntry(found, seq), hash: hashOf(found) })
    })
  }
  return read
}

function checkChain(read: readonly ReadEntry[], lastSeq: number): ReadLog {
  const counted = new Set(withoutLateClaims(read.map(({ entry }) => entry)))
  const valid = read.filter(({ entry }) => counted.has(entry))
  valid.forEach(({ entry }, index) => {
    const before = valid[index - 1]
    if (before?.entry.seq === entry.seq - 1 && entry.parent !== before.hash) {
      throw corrupt(entry.seq, `does not continue entry ${before.entry.seq}: the log was mixed from two`)
    }
  })
  return { entries: valid.map(({ entry }) => entry), lastSeq, lastHash: valid.at(-1)?.hash ?? '' }
}

export function corrupt(seq: number, why: string): MillraceError {
  return new MillraceError(`checkpoint log entry ${seq} ${why}`, { code: 'STORE_CORRUPT', detail: { seq } })
}
