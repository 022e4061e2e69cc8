/**
 * `npm test`: static checks, the servers that tests need, every test. `--full` runs every cell and the long campaigns.
 * One line for each stage and test file; the exit code is zero only when everything passed and something ran.
 */
import { globSync } from 'node:fs'
import path from 'node:path'
import { playCampaign } from './testing/campaign.ts'
import { runChecks } from './testing/checks.ts'
import { databaseVariable, type DatabaseName } from './services/databases.ts'
import { isTidbBuilt } from './services/tidb.ts'
import { ensurePrograms } from './testing/programs.ts'
import { checkService, hostDatabase, hostKafka, hostS3, realServers } from './testing/services.ts'
import { playSimulation } from './testing/simulation.ts'
import { describe, failedStages, repository, runProgram, stage, type StageResult } from './testing/stage.ts'
import { withSecondTries, worthSecondTry } from './testing/second-try.ts'
import { runSuite, totalsOf, type FileResult } from './testing/suite.ts'
import { bundleTestedProgram } from './testing/tested-program.ts'
import { closingLines } from './testing/totals.ts'

const MINUTE = 60_000
const isFull = process.argv.includes('--full')
if (isFull) process.env['MILLRACE_FULL'] = '1'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)))
/** Against what hangs: two cores that are not busy need a quarter of it. */
const deadline = AbortSignal.any([stop.signal, AbortSignal.timeout(isFull ? 180 * MINUTE : 80 * MINUTE)])

/** A full run compiles TiDB, which takes eight minutes; another one uses it where that was done. */
const hasTidb = isFull || isTidbBuilt()

const all = globSync(['src/**/*.test.ts', 'scripts/**/*.test.ts', 'test/**/*.test.ts'], { cwd: repository })
  // They need large downloads, or a long time.
  .filter((file) => isFull || !file.endsWith('.full.integration.test.ts'))
  .filter((file) => hasTidb || !/[\\/]tidb[\\/].*\.integration\.test\.ts$/.test(file))
  .sort()
const needServers = (file: string): boolean =>
  file.endsWith('.integration.test.ts') || /^test[\\/](e2e|simulation)[\\/]/.test(file)

interface TestRun {
  readonly results: readonly FileResult[]
  /** First results of files that failed once and passed alone. */
  readonly unsteady: readonly FileResult[]
}

async function runTests(files: readonly string[]): Promise<TestRun> {
  const options = { timeoutMs: isFull ? 120 * MINUTE : 10 * MINUTE, signal: deadline }
  const absolute = files.map((file) => path.join(repository, file))
  const first = await runSuite({ ...options, files: absolute, concurrency: 2 })
  if (deadline.aborted) return { results: first, unsteady: [] }
  return withSecondTries(first, await runSuite({ ...options, files: worthSecondTry(first), concurrency: 1 }))
}

/** Once more, because a long record is read from its end. */
function sayFailures(runs: readonly TestRun[]): void {
  const tell = (title: string, stories: readonly string[]): void => {
    if (stories.length > 0) process.stdout.write(`\n${title}\n${stories.join('')}`)
  }
  const unsteady = runs.flatMap((run) => run.unsteady)
  const failed = runs.flatMap(({ results }) => results.filter(({ ok }) => !ok))
  tell(
    'Unsteady, failed once and passed when run again alone; mend the test, or what it found:',
    unsteady.map(({ story }) => story),
  )
  tell('Failed:', [...failedStages, ...failed.map(({ story }) => story)])
}

/** Programs first, because Kafka, the S3 server and the readers may need apt-get, of which only one can run. */
function prepareServers(): {
  programs: Promise<StageResult>
  readers: Promise<StageResult>
  kafka: ReturnType<typeof hostKafka>
  s3: ReturnType<typeof hostS3>
  databases: readonly { readonly name: DatabaseName; readonly server: ReturnType<typeof hostDatabase> }[]
} {
  const programs = ensurePrograms(deadline)
  const ready = programs.then(({ ok }) => {
    if (!ok) throw new Error('a program is missing, see above')
  })
  const readers = ready.then(() =>
    runProgram(process.execPath, [path.join('scripts', 'testing', 'prepare-readers.ts')], deadline),
  )
  const kafka = ready.then(hostKafka)
  const s3 = ready.then(hostS3)
  const databases = databaseNames().map((name) => ({ name, server: ready.then(() => hostDatabase(name)) }))
  // Failures are reported by the stages that await them, later.
  for (const promise of [programs, readers, kafka, s3, ...databases.map(({ server }) => server)])
    promise.catch(() => undefined)
  return { programs, readers, kafka, s3, databases }
}

function databaseNames(): DatabaseName[] {
  return ['mariadb', 'mysql', 'mysql80', 'postgres', ...(hasTidb ? ['tidb' as const] : [])]
}

function sayNoTidb(): Promise<StageResult> {
  return Promise.resolve({ ok: true, output: 'left out, not compiled: node scripts/services/main.ts tidb start' })
}

async function main(): Promise<boolean> {
  const started = performance.now()
  // Downloads and the start of servers overlap with the checks and the unit tests.
  const { programs, readers, kafka, s3, databases } = prepareServers()
  await using cleanup = new AsyncDisposableStack()
  for (const server of [kafka, s3, ...databases.map((database) => database.server)]) {
    cleanup.defer(async () => (await server.catch(() => undefined))?.[Symbol.asyncDispose]())
  }

  const areChecksGood = await runChecks(deadline)
  const runs = [await runTests(all.filter((file) => !needServers(file)))]

  const isSimulationGood = await stage('simulation', () => playSimulation(isFull, deadline))

  const stages: readonly (readonly [string, () => Promise<StageResult>])[] = [
    ['programs', () => programs],
    ['millrace', bundleTestedProgram],
    ['hudi readers', () => readers],
    ['kafka', async () => checkService(await kafka)],
    ['s3', async () => checkService(await s3)],
    ...databases.map(({ name, server }) => [name, async () => checkService(await server)] as const),
    ...(databases.some(({ name }) => name === 'tidb') ? [] : [['tidb', sayNoTidb] as const]),
    ['real servers', () => Promise.resolve(realServers())],
  ]
  let areServersUp = true
  let isCampaignGood = false
  for (const [name, work] of stages) areServersUp = (await stage(name, work)) && areServersUp
  if (areServersUp && !deadline.aborted) {
    process.env['MILLRACE_KAFKA'] = (await kafka).address
    process.env['MILLRACE_S3'] = (await s3).address
    for (const { name, server } of databases) process.env[databaseVariable(name)] = (await server).address
    isCampaignGood = await stage('kill campaign', () => playCampaign(isFull, deadline))
    runs.push(await runTests(all.filter(needServers)))
  }
  if (deadline.aborted) process.stdout.write(`\nstopped: ${describe(deadline.reason)}\n`)

  sayFailures(runs)
  const totals = totalsOf(runs.flatMap(({ results }) => results))
  process.stdout.write(`\n${closingLines(totals, performance.now() - started)}`)
  return (
    areChecksGood &&
    isSimulationGood &&
    areServersUp &&
    isCampaignGood &&
    totals.pass > 0 &&
    totals.fail + totals.cancelled === 0 &&
    !deadline.aborted
  )
}

let isGood = false
try {
  isGood = await main()
} catch (error) {
  process.stderr.write(`${describe(error)}\n`)
}
// What a test left behind may hold on to our pipes.
process.exit(isGood ? 0 : 1)
