/** `npm run check`: types, lint, format, dead code, generated files. Seconds; `npm test` runs the same and the tests. */
import { runChecks } from './testing/checks.ts'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)))
process.exitCode = (await runChecks(stop.signal)) ? 0 : 1
