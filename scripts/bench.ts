/**
 * `npm run bench`: measures and prints ratios; asserts nothing, so the exit code is 0 whether goals are met or not.
 *
 *     npm run bench -- --rows 2000000 --only 3,6 --json out.json
 *
 * What the figures mean, and the last ones: docs/benchmarks.md.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { compareDeliveries } from './bench/cases/exactly-once.ts'
import { oldHudiTable } from './bench/cases/hudi-table.ts'
import { icebergToStore } from './bench/cases/iceberg.ts'
import { kafkaToKafka } from './bench/cases/kafka-to-kafka.ts'
import { watchMemory } from './bench/cases/memory.ts'
import { mysqlToStore } from './bench/cases/mysql-changes.ts'
import { passThrough, queryToHudi, queryToStore } from './bench/cases/pipelines.ts'
import { changesToStore } from './bench/cases/postgres-changes.ts'
import { putPoisonAside } from './bench/cases/poison.ts'
import { readTopics, sendPrepared } from './bench/cases/raw-limits.ts'
import { restoreMuch } from './bench/cases/restore.ts'
import { skewedPartitions } from './bench/cases/skew.ts'
import { slicesToStore } from './bench/cases/slices.ts'
import { readLogstores } from './bench/cases/sls.ts'
import { upsertIntoServers } from './bench/cases/sql-upserts.ts'
import { startAndKill } from './bench/cases/start-and-kill.ts'
import { figureTable, limitLines, throughputTable, type Report, type Result, type Settings } from './bench/results.ts'
import { TestBed } from './bench/test-bed.ts'

type Case = (bed: TestBed, settings: Settings, report: Report) => Promise<void>

const CASES: ReadonlyMap<number, readonly [title: string, run: Case]> = new Map([
  [1, ['reading a topic', readTopics]],
  [2, ['sending prepared bytes', sendPrepared]],
  [3, ['Kafka → StarRocks, Doris', passThrough]],
  [4, ['Kafka → SQL → StarRocks', queryToStore]],
  [5, ['file, Kafka → SQL → Hudi', queryToHudi]],
  [6, ['exactly-once against at-least-once', compareDeliveries]],
  [7, ['start and kill', startAndKill]],
  [8, ['memory', watchMemory]],
  [9, ['skewed partitions', skewedPartitions]],
  [10, ['a Hudi table after many checkpoints', oldHudiTable]],
  [11, ['Iceberg → StarRocks', icebergToStore]],
  [12, ['SLS → Hudi, StarRocks', readLogstores]],
  [13, ['Kafka → Kafka', kafkaToKafka]],
  [14, ['upserts into MariaDB, PostgreSQL', upsertIntoServers]],
  [15, ['restoring much', restoreMuch]],
  [16, ['tables slice by slice → StarRocks', slicesToStore]],
  [17, ['a Postgres table and its changes → StarRocks', changesToStore]],
  [18, ['a MySQL table and its changes → StarRocks', mysqlToStore]],
  [19, ['bad records put aside', putPoisonAside]],
])

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '4000000' },
    only: { type: 'string', default: [...CASES.keys()].join(',') },
    repeat: { type: 'string', default: '3' },
    minutes: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
})

function positiveNumber(flag: 'rows' | 'repeat' | 'minutes'): number {
  const value = Number(values[flag])
  if (!(value > 0)) throw new Error(`--${flag} ${values[flag]}: expected a number above 0`)
  return value
}

function load(): string {
  const [minute = 0, five = 0] = os.loadavg()
  return `${minute.toFixed(1)} (5 min: ${five.toFixed(1)})`
}

function sourceState(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8', cwd: import.meta.dirname })
  try {
    return `${git('rev-parse', '--short', 'HEAD').trim()}${git('status', '--porcelain', '../src') === '' ? '' : ', changed'}`
  } catch {
    return 'unknown'
  }
}

const chosen = values.only.split(',').map(Number)
const unknown = chosen.filter((number) => !CASES.has(number))
if (unknown.length > 0) throw new Error(`--only ${values.only}: cases are ${[...CASES.keys()].join(', ')}`)
const rows = positiveNumber('rows')
const settings = { repeat: positiveNumber('repeat'), minutes: positiveNumber('minutes') }

const machine = {
  date: new Date().toISOString(),
  commit: sourceState(),
  processor: os.cpus()[0]?.model ?? 'unknown',
  cores: os.availableParallelism(),
  memoryBytes: os.totalmem(),
  system: `${os.type()} ${os.release()}`,
  node: process.version,
}
console.log(
  `${machine.date}, commit ${machine.commit}; ${machine.processor}, ${machine.cores} cores, ` +
    `${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${machine.system}, Node ${machine.node}; ` +
    `${rows} rows, middle of ${settings.repeat} runs; load ${load()} before`,
)

// An ordinary exit takes the servers and the directory of the bench along.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const results: Result[] = []
await using bed = new TestBed(rows)
for (const number of chosen) {
  const [title, run] = CASES.get(number) ?? ['', async () => undefined]
  console.log(`\n${number} ${title}: load ${load()}`)
  const found: Result[] = []
  try {
    await run(bed, settings, (result) => found.push(result))
  } catch (error) {
    // One case that cannot be measured must not cost the others; without a figure the bench has failed, though.
    console.error(`case ${number} was not measured: ${(error as Error).message}`)
    process.exitCode = 1
  }
  results.push(...found)
  const throughputs = found.filter((result) => result.kind === 'throughput')
  const figures = found.filter((result) => result.kind === 'figure')
  if (throughputs.length > 0) console.log(throughputTable(throughputs))
  if (figures.length > 0) console.log(figureTable(figures))
}
const limits = limitLines(results.filter((result) => result.kind === 'throughput'))
if (limits.length > 0) console.log(`\n${limits.join('\n')}`)
if (results.some((result) => 'against' in result))
  console.log('\nFigures of Flink 1.20 and the Java client were measured elsewhere, on the same kind of machine.')
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ machine, rows, settings, results }, undefined, 2)}\n`)
