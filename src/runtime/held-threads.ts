let isHeld = false

/** A native query that does not let go keeps a lane's thread: who waits for it, waits for ever. */
export function noteHeldThread(): void {
  isHeld = true
}

/** Then the process can only be ended by `endAtOnce`, and nothing may be started in it again. */
export function holdsThread(): boolean {
  return isHeld
}

/**
 * Ends the process whatever its threads do. Leaving in the usual way waits for them, or aborts in the middle of their
 * work; another program that takes the place of this one ends them all, and has the exit code that is wanted.
 */
export function endAtOnce(exitCode: number): never {
  if (process.platform !== 'win32') process.execve?.('/bin/sh', ['/bin/sh', '-c', `exit ${exitCode}`], {})
  process.kill(process.pid, 'SIGKILL')
  throw new Error('a process that was killed goes on')
}
