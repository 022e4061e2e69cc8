import { setTimeout } from 'node:timers/promises'
import type { JsonObject } from '../../core/json.ts'

/** Where a sink writes on the user's own server in one play, instead of its own target. */
export interface Scratch extends AsyncDisposable {
  /** What the sink is told instead. */
  readonly options: JsonObject
  /** Its secrets, which are written into no file. */
  readonly environment: Readonly<Record<string, string>>
  /** Where something stands before the server that can lose its answers. */
  readonly replies?: { loseReplies(): void; readonly lost: number }
  /** Each row that a reader sees there as a text. */
  lines(): Promise<string[]>
}

/** A table or topic that the user gave for this, which was empty. It is emptied at the end. */
export interface GivenTarget extends AsyncDisposable {
  /** For the certificate. */
  readonly place: string
  /** The place for the next play, with nothing of the plays before in it. */
  next(): Promise<Scratch>
}

const PAUSE_MS = 200

/** Servers may show what was committed a moment later: looks until two looks see the same. */
export async function settled(look: () => Promise<string[]>): Promise<string[]> {
  const sorted = async (): Promise<string[]> => (await look()).toSorted((a, b) => (a < b ? -1 : 1))
  for (let seen = await sorted(); ;) {
    await setTimeout(PAUSE_MS)
    const again = await sorted()
    if (again.join('\n') === seen.join('\n')) return again
    seen = again
  }
}
