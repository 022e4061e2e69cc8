import { homedir } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'

/** What the client needs of the machine besides the network; tests bring their own. */
export interface World {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly home: string
  /** Milliseconds since the epoch. */
  now(): number
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** In [0, 1). */
  random(): number
}

export const systemWorld: World = {
  environment: process.env,
  home: homedir(),
  now: Date.now,
  sleep: (ms, signal) => pause(ms, undefined, signal && { signal }),
  random: Math.random,
}
