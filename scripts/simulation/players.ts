import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Part, Played } from './play.ts'

/** Plays schedules on all cores, hands each outcome on, and rejects when a player ends before its part is done. */
export async function playAll(part: Omit<Part, 'step'>, heard: (played: Played) => void): Promise<void> {
  const players = Math.max(1, availableParallelism())
  await Promise.all(
    Array.from({ length: players }, async (_, index) => {
      const share: Part = { ...part, from: part.from + index, count: part.count - index, step: players }
      const child = fork(fileURLToPath(new URL('./play.ts', import.meta.url)), [JSON.stringify(share)])
      child.on('message', (message) => heard(message as Played))
      const [code] = (await once(child, 'exit')) as [number | null]
      if (code !== 0) throw new Error(`a player ended with ${String(code)}`)
    }),
  )
}
