import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Part, Played } from './play.ts'

/**
 * A schedule makes many small things that soon are garbage, and errors that nobody prints. Without these a core plays a fifth
 * less.
 */
export const FOR_SPEED: readonly string[] = [
  '--min-semi-space-size=32',
  '--max-semi-space-size=32',
  '--single-threaded-gc',
  '--stack-trace-limit=0',
]

/** Plays schedules on all cores, hands each outcome on, and rejects when a player ends before its part is done. */
export async function playAll(part: Omit<Part, 'step'>, heard: (played: Played) => void): Promise<void> {
  const players = Math.max(1, availableParallelism())
  await Promise.all(
    Array.from({ length: players }, async (_, index) => {
      const share: Part = { ...part, from: part.from + index, count: part.count - index, step: players }
      const program = fileURLToPath(new URL('./play.ts', import.meta.url))
      const child = fork(program, [JSON.stringify(share)], { execArgv: [...FOR_SPEED] })
      child.on('message', (message) => heard(message as Played))
      const [code] = (await once(child, 'exit')) as [number | null]
      if (code !== 0) throw new Error(`a player ended with ${String(code)}`)
    }),
  )
}
