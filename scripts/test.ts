/**
 * `npm test`: static checks, the servers that tests need, every test. `--full` runs every cell and the long campaigns.
 * One line for each stage and test file; the exit code is zero only when everything passed and something ran.
 */
import { globSync } from 'node:fs'
import path from 'node:path'
import { runChecks } from './testing/checks.ts'
import { hostKafka, leftOut } from './testing/services.ts'
import { describe, repository, stage } from './testing/stage.ts'
import { addTotals, closingLines, runSuite, type Totals } from './testing/suite.ts'

const MINUTE = 60_000
const isFull = process.argv.includes('--full')
if (isFull) process.env['MILLRACE_FULL'] = '1'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)))
const deadline = AbortSignal.any([stop.signal, AbortSignal.timeout(isFull ? 180 * MINUTE : 25 * MINUTE)])

const all = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: repository }).sort()
const needServers = (file: string): boolean =>
  file.endsWith('.integration.test.ts') || /^test[\\/](e2e|simulation)[\\/]/.test(file)

function runTests(files: readonly string[]): Promise<Totals> {
  return runSuite({
    files: files.map((file) => path.join(repository, file)),
    concurrency: 2,
    timeoutMs: isFull ? 120 * MINUTE : 10 * MINUTE,
    signal: deadline,
  })
}

async function main(): Promise<boolean> {
  const started = performance.now()
  // Downloads and the broker's start overlap with the checks and the unit tests.
  const starting = hostKafka()
  starting.catch(() => undefined) // a failure is reported by its stage, below
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(async () => {
    const kafka = await starting.catch(() => undefined)
    await kafka?.[Symbol.asyncDispose]()
  })

  const areChecksGood = await runChecks(deadline)
  let totals = await runTests(all.filter((file) => !needServers(file)))
  const isUp = await stage('kafka', async () => {
    const kafka = await starting
    process.env['MILLRACE_KAFKA'] = kafka.address
    return { ok: true, output: kafka.address }
  })
  await stage('real servers', () => Promise.resolve(leftOut()))
  if (isUp) totals = addTotals(totals, await runTests(all.filter(needServers)))

  process.stdout.write(`\n${closingLines(totals, performance.now() - started)}`)
  return areChecksGood && isUp && totals.pass > 0 && totals.fail + totals.cancelled === 0 && !deadline.aborted
}

let isGood = false
try {
  isGood = await main()
} catch (error) {
  process.stderr.write(`${describe(error)}\n`)
}
process.exitCode = isGood ? 0 : 1
