/**
 * `npm start`: real flights become a Hudi table, the job is killed on the way, and the result is compared with the source.
 * docs/quickstart.md tells what happens and how it is compared.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { createOutput } from '../src/cli/output.ts'
import { paint } from '../src/cli/terminal.ts'
import { exitCodeOf } from '../src/core/error-codes.ts'
import { compare, openExpected } from './quickstart/compare.ts'
import { ALL_FLIGHTS, findLogs, type Logs, makeLogs, originalSql } from './quickstart/flights.ts'
import { runThroughKills } from './quickstart/killed-runs.ts'
import { planKills } from './quickstart/kills.ts'
import { PIPELINE_TEXT, readPipeline } from './quickstart/pipeline.ts'
import { clearResults, openPlace, type Place, placeIn, requireSpace } from './quickstart/place.ts'
import { QuickstartError } from './quickstart/quickstart-error.ts'
import { count, Screen, shown } from './quickstart/screen.ts'

const USAGE = `npm start -- [options]

  --rows <n>           how many flights, at most 3,000,000 (the default)
  --keep               run flights.yaml as it is there, with your changes
  --verify-only        compare the table of an earlier run again, and change nothing
  --directory <path>   where everything is made (default: ./millrace-quickstart)
`

const AIRPORTS = `SELECT origin, count(*) AS flights, round(100.0 * avg(late::INTEGER), 1) AS late_percent,
       printf('%.1f', avg(delay)) AS mean_delay
FROM flights GROUP BY origin ORDER BY flights DESC LIMIT 5`

interface Wishes {
  readonly rows: number
  readonly keep: boolean
  readonly verifyOnly: boolean
  readonly place: Place
}

const output = createOutput(false, { stdout: process.stdout, stderr: process.stderr, environment: process.env })
const screen = new Screen(output)

async function quickstart(wishes: Wishes, signal: AbortSignal): Promise<number> {
  const { place, rows, verifyOnly } = wishes
  using database = await openDatabase(place)
  if (verifyOnly) {
    const logs = findLogs(place.logs)
    if (logs === undefined)
      throw new QuickstartError(`nothing has run in ${shown(place.directory)}`, 'Run `npm start`.')
    await openExpected(database.connection, originalSql(logs.rows), readPipeline(place.pipeline))
    return await verify(database.connection, place)
  }
  const started = performance.now()
  screen.title(rows)
  openPlace(place)
  clearResults(place)
  await prepareLogs(database.connection, wishes)
  const pipeline = preparePipeline(wishes)
  const expected = await openExpected(database.connection, originalSql(rows), readPipeline(place.pipeline))
  screen.step('Pipeline', `${pipeline}; its SQL keeps ${count(expected)} of the ${count(rows)} flights`)
  screen.expect(expected)
  screen.step('Run', `bin/millrace run ${shown(place.pipeline)}, killed with SIGKILL and started again:`)
  const { kills } = await runThroughKills(place, planKills(rows), screen, signal)
  screen.rest()
  return await verify(database.connection, place, { kills, started })
}

async function verify(
  database: DuckDBConnection,
  place: Place,
  run?: { readonly kills: number; readonly started: number },
): Promise<number> {
  screen.busy('comparing …')
  const result = await compare(database, place.table)
  screen.rest()
  screen.comparison(result)
  screen.verdict(result, run && { kills: run.kills, ms: performance.now() - run.started })
  if (!result.isEqual) {
    screen.mismatch(place)
    return exitCodeOf('MISMATCH')
  }
  await showQuery(database)
  screen.farewell(place)
  return 0
}

async function prepareLogs(database: DuckDBConnection, { place, rows }: Wishes): Promise<void> {
  const tell = (logs: Logs, how: string): void => {
    const sizes = Object.values(logs.files)
    const megabytes = Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / 1e6)
    screen.step('Source', `${count(rows)} flights in ${sizes.length} NDJSON logs, ${megabytes} MB (${how})`)
  }
  const found = findLogs(place.logs, rows)
  if (found !== undefined) return tell(found, 'kept from the last time')
  requireSpace(place, rows)
  const started = performance.now()
  screen.busy(`writing ${count(rows)} flights as NDJSON logs …`)
  const made = await makeLogs(database, place.logs, rows)
  screen.rest()
  tell(made, `written in ${((performance.now() - started) / 1000).toFixed(1)} s`)
}

/** A file that its user changed is set aside, never lost. */
function preparePipeline({ place, keep }: Wishes): string {
  const existing = existsSync(place.pipeline) ? readFileSync(place.pipeline, 'utf8') : undefined
  if (keep && existing !== undefined) return `${shown(place.pipeline)}, as you left it`
  if (existing !== undefined && existing !== PIPELINE_TEXT) {
    const aside = `${place.pipeline}.yours`
    writeFileSync(aside, existing)
    screen.step('', `flights.yaml with your changes is set aside as ${shown(aside)}`)
  }
  writeFileSync(place.pipeline, PIPELINE_TEXT)
  return shown(place.pipeline)
}

/** The query that is shown fits the original pipeline; one that was changed may have other columns. */
async function showQuery(database: DuckDBConnection): Promise<void> {
  try {
    const result = await database.runAndReadAll(AIRPORTS.replace('FROM flights', 'FROM found'))
    screen.query(AIRPORTS, [result.columnNames(), ...result.getRows().map((row) => row.map(String))])
  } catch {
    const result = await database.runAndReadAll('SELECT count(*) AS flights FROM found')
    screen.query('SELECT count(*) AS flights FROM flights', [
      ['flights'],
      ...result.getRows().map((row) => row.map(String)),
    ])
  }
}

async function openDatabase(place: Place): Promise<{ readonly connection: DuckDBConnection } & Disposable> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: '512MB',
    temp_directory: path.join(place.directory, '.tmp'),
    // Hudi's files are in no order that anybody needs.
    preserve_insertion_order: 'false',
  })
  const connection = await instance.connect()
  return {
    connection,
    [Symbol.dispose]: () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

function readWishes(): Wishes | undefined {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: String(ALL_FLIGHTS) },
      keep: { type: 'boolean', default: false },
      'verify-only': { type: 'boolean', default: false },
      directory: { type: 'string', default: 'millrace-quickstart' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const rows = Number(values.rows.replaceAll(/[,_]/g, ''))
  if (!Number.isInteger(rows) || rows < 1 || rows > ALL_FLIGHTS) {
    throw new QuickstartError(`--rows ${values.rows}`, `Name a whole number from 1 to ${count(ALL_FLIGHTS)}.`)
  }
  const place = placeIn(path.resolve(values.directory))
  return { rows, keep: values.keep, verifyOnly: values['verify-only'], place }
}

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupted.abort())
// A reader such as `head` has seen enough.
process.stdout.on('error', () => interrupted.abort())

try {
  const wishes = readWishes()
  if (wishes === undefined) output.print(USAGE)
  else process.exitCode = await quickstart(wishes, interrupted.signal)
} catch (thrown) {
  screen.rest()
  const error = thrown as Error & { readonly code?: unknown }
  const advice = thrown instanceof QuickstartError ? thrown.advice : adviceFor(String(error.code))
  if (interrupted.signal.aborted) output.warn('Interrupted. `npm start` begins again.\n')
  else output.warn(`${paint('red', 'The quickstart cannot go on:')} ${error.message}\n→ ${advice}\n`)
  process.exitCode = interrupted.signal.aborted ? 130 : 1
}

function adviceFor(code: string): string {
  if (code === 'ENOSPC')
    return 'The disk is full. Free some space, or name another place with `npm start -- --directory <path>`.'
  if (code === 'EACCES' || code === 'EROFS')
    return 'Name a place that you may write to with `npm start -- --directory <path>`.'
  if (code.startsWith('ERR_PARSE_ARGS')) return 'See `npm start -- --help`.'
  return 'If this looks like a bug, please report it with the text above.'
}
