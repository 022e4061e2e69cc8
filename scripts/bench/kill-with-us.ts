import type { ChildProcess } from 'node:child_process'

/** A bench that ends early must leave no process behind. `kill` is called when we exit before `child` does. */
export function killWithUs(child: ChildProcess, kill: () => void): void {
  process.once('exit', kill)
  child.once('exit', () => process.removeListener('exit', kill))
}
