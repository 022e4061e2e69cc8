import { endAtOnce, holdsThread } from '../runtime/held-threads.ts'
import { runProgram } from './program.ts'
import type { StopSignals } from './verb.ts'
import { VERSION } from './version.ts'

/** How long open handles may keep the process after a verb has answered (a server that never closes its socket). */
const LINGER_MS = 2000
/** timeout(1), npm and terminals reach us twice with one signal: directly and through the process group. */
const ECHO_MS = 250

// A closed pipe (`millrace explain … | head`) is the reader's decision, not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

let signals: StopSignals | undefined

const exitCode = await runProgram(process.argv.slice(2), {
  version: VERSION,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  signals: () => (signals ??= forwardSignals()),
})
if (holdsThread()) endAtOnce(exitCode)
process.exitCode = exitCode
setTimeout(() => process.exit(), LINGER_MS).unref()

function forwardSignals(): StopSignals {
  const stop = new AbortController()
  const kill = new AbortController()
  let firstAt = 0
  const receive = (): void => {
    if (!stop.signal.aborted) {
      firstAt = performance.now()
      stop.abort()
    } else if (performance.now() - firstAt > ECHO_MS) kill.abort()
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, receive)
  return { stop: stop.signal, kill: kill.signal }
}
