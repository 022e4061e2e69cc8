import type { SafeDowntime } from '../core/preflight-rules.ts'
import type { LogEntry } from './entries.ts'
import type { Lineage } from './lineage.ts'

/** How long a job may be down for the sake of one source or sink. */
export interface PartDowntime extends SafeDowntime {
  readonly part: string
  readonly kind: 'source' | 'sink'
}

/** How much of a safe downtime is used up. */
export interface Aging extends PartDowntime {
  readonly usedMs: number
  /** `half`: time to act; `over`: what expires may be gone already. */
  readonly state: 'fine' | 'half' | 'over'
}

export interface Since {
  /** Of the oldest published checkpoint that is not confirmed; absent when nothing is pending. */
  readonly pendingMs: number | undefined
  /** The last sign of life of a job that does not run; absent while it runs. */
  readonly downMs: number | undefined
}

/** When the oldest checkpoint was published that still waits for its commits, in milliseconds since the epoch. */
export function pendingSince({ pending, checkpoints }: Lineage): number | undefined {
  const [oldest] = pending
  const entry = checkpoints.find(({ checkpoint }) => checkpoint === oldest?.checkpoint)
  return entry === undefined ? undefined : Date.parse(entry.at)
}

/** The last thing that the log heard of a job; nothing expires for one that has finished. */
export function lastSignOfLife(entries: readonly LogEntry[], { ended }: Lineage): number | undefined {
  const last = entries.at(-1)
  return last === undefined || ended === 'finished' ? undefined : Date.parse(last.at)
}

/**
 * The part of which the largest share of its safe downtime is used. What sinks hold ages while something is pending; what
 * sources hold ages while nobody reads it, too. `undefined` where nothing ages.
 */
export function mostUrgent(parts: readonly PartDowntime[], since: Since, now: number): Aging | undefined {
  const aging = parts.flatMap((part): Aging[] => {
    const from = since.pendingMs ?? (part.kind === 'source' ? since.downMs : undefined)
    if (from === undefined) return []
    const usedMs = Math.max(0, now - from)
    const state = usedMs >= part.ms ? 'over' : usedMs * 2 >= part.ms ? 'half' : 'fine'
    return [{ ...part, usedMs, state }]
  })
  return aging.toSorted((one, other) => one.ms - one.usedMs - (other.ms - other.usedMs))[0]
}

/** The part that limits the job's downtime; `undefined` where nothing is known to expire. */
export function shortest(parts: readonly PartDowntime[]): PartDowntime | undefined {
  return parts.toSorted((one, other) => one.ms - other.ms)[0]
}
