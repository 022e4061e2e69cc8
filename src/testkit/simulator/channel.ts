import type { SimulatedProcess } from './process.ts'

/** A way within a process: what is sent arrives in its order, each after a while. */
export function channelOf(process: SimulatedProcess): (act: () => void) => void {
  const { time, random } = process.world
  let last = 0
  return (act) => {
    last = Math.max(last, time.now + random.next())
    process.after(last - time.now, act)
  }
}
