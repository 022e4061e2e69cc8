import { MillraceError } from '../core/errors.ts'
import { formatBytes } from './quantities.ts'

const GIB = 2 ** 30
/** A native query can take gigabytes in a second. */
const LOOK_MS = 100
/** The rest of the machine has to live, too. */
const SHARE = 0.8

/** What a process of so many lanes may hold where its pipeline says nothing. */
export function usualMemoryLimit(lanes: number, machineBytes: number): number {
  return Math.min((2 + lanes) * GIB, SHARE * machineBytes)
}

/** What this process can get: less than the machine has, in a container with a limit. */
export function machineBytes(constrained: number, total: number): number {
  return constrained > 0 ? Math.min(constrained, total) : total
}

/**
 * Looks at the memory of the process for as long as it is open. DuckDB keeps its own limit for what it knows of, but a
 * value that one expression builds, or what the user's functions hold, is not part of that.
 */
export function watchMemory(
  limitBytes: number,
  over: (error: MillraceError) => void,
  rss: () => number = process.memoryUsage.rss,
): Disposable {
  const timer = setInterval(() => {
    const bytes = rss()
    if (bytes <= limitBytes) return
    clearInterval(timer)
    const text = `the process holds ${formatBytes(bytes)}, more than its memoryLimit of ${formatBytes(limitBytes)}`
    over(new MillraceError(text, { code: 'MEMORY', retry: 'halt' }))
  }, LOOK_MS)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
