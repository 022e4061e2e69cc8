/**
 * An `aggregate` alone, without reading and a sink, and at last with decoding: rows per CPU-second with many keys, and the pause of a
 * checkpoint in which some of them have changed.
 *
 *     node scripts/bench/aggregates.ts [keys]
 */
import { mkdtempDisposable } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { compileAggregates } from '../../src/dataplane/compile-aggregates.ts'
import { openLaneDatabase, parseColumnType, type AggregateWork } from '../../src/dataplane/index.ts'
import type { Batch } from '../../src/core/batch.ts'
import { createAggregateOperator } from '../../src/transforms/aggregate/aggregate.ts'
import { createQueryOperator } from '../../src/transforms/query.ts'
import { createPartialOperator } from '../../src/transforms/aggregate/partial.ts'

const KEYS = Number(process.argv[2] ?? 1_000_000)
const BATCH_ROWS = 30_000
const SCHEMA = [
  { name: 'id', type: 'bigint', nullable: true },
  { name: 'amount', type: 'decimal(12,2)', nullable: true },
  { name: 'ts', type: 'timestamp(3)', nullable: true },
]

await using directory = await mkdtempDisposable(path.join(os.tmpdir(), 'millrace-bench-'))
await using database = await openLaneDatabase({
  memoryLimitBytes: 384 * 1024 * 1024,
  tempDirectory: path.join(directory.path, 'spill'),
})
const columns = SCHEMA.map((column) => ({ ...column, type: parseColumnType(column.type) }))
const made = await compileAggregates(database, {
  columns,
  groupBy: columns.slice(0, 1),
  time: undefined,
  aggregates: { n: 'count(*)', total: 'sum(amount)', newest: 'max(ts)' },
})
if ('findings' in made) throw new Error(JSON.stringify(made.findings))
const { parts, calls, results } = made
const output = [...SCHEMA.slice(0, 1), ...results.map(({ name, type }) => ({ name, type, nullable: true }))]
const work: AggregateWork = {
  id: 'bench',
  input: SCHEMA,
  groupBy: ['id'],
  lateness: 0,
  parts,
  calls,
  results,
  output,
  definition: '',
}
const context = {
  baseDirectory: '',
  database: async () => database,
  now: Date.now,
  sawEventTime: () => undefined,
}
const partial = createPartialOperator(work, context)
const aggregate = createAggregateOperator(work, context)
await partial.open()
await aggregate.open()

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

const NOWHERE = { emit: async (_output: number, batch: Batch): Promise<void> => batch.release() }

let batches = 0

/** CPU-seconds for so many rows with random keys, without making them. */
async function feed(rows: number): Promise<number> {
  let used = 0
  for (let left = rows; left > 0; left -= BATCH_ROWS) {
    const relation = `rows ${batches++}`
    const count = Math.min(left, BATCH_ROWS)
    await database.run(
      `CREATE TEMP TABLE "${relation}" AS SELECT (random() * ${KEYS})::BIGINT AS id, (random() * 1000)::DECIMAL(12,2) AS amount, ` +
        `(TIMESTAMP '2024-01-01' + INTERVAL (range) MILLISECOND)::TIMESTAMP_MS AS ts FROM range(${count})`,
    )
    const from = cpuSeconds()
    const body = { kind: 'table', relation, schema: SCHEMA } as const
    const release = (): void => void database.run(`DROP TABLE "${relation}"`)
    const batch: Batch = { kind: 'batch', split: '', from: {}, next: {}, rows: count, bytes: count * 40, body, release }
    await partial.process(batch, { emit: (_output, one) => aggregate.process(one, NOWHERE) })
    used += cpuSeconds() - from
  }
  return used
}

/** The same with rows of JSON, which are decoded; making them does not count. */
async function feedJson(rows: number): Promise<number> {
  const decoder = createQueryOperator(
    {
      id: 'decode',
      input: { format: { kind: 'bytes', format: 'json', separator: 0x0a }, encoding: 'json', schema: SCHEMA },
      metadata: [],
      relation: 'rows',
      selects: [],
      outputs: [{ select: 'rows', format: { kind: 'table' }, schema: SCHEMA }],
    },
    context,
  )
  await decoder.open()
  const note = 'x'.repeat(90)
  let used = 0
  for (let left = rows; left > 0; left -= BATCH_ROWS) {
    const count = Math.min(left, BATCH_ROWS)
    const lines = Array.from({ length: count }, (_, n) => {
      const ts = new Date(1_704_067_200_000 + n).toISOString().slice(0, 23).replace('T', ' ')
      const [id, cents] = [Math.floor(Math.random() * KEYS), Math.floor(Math.random() * 100_000)]
      return `{"id":${id},"amount":${(cents / 100).toFixed(2)},"ts":"${ts}","note":"${note}"}\n`
    })
    const buffer = Buffer.from(lines.join(''))
    const body = { kind: 'bytes', buffer, length: buffer.length, separator: 0x0a } as const
    const from = cpuSeconds()
    await decoder.process(
      {
        kind: 'batch',
        split: '',
        from: {},
        next: {},
        rows: count,
        bytes: buffer.length,
        body,
        release: () => undefined,
      },
      { emit: (_, decoded) => partial.process(decoded, { emit: (_output, one) => aggregate.process(one, NOWHERE) }) },
    )
    used += cpuSeconds() - from
  }
  await decoder.close()
  return used
}

async function checkpoint(): Promise<{
  readonly cutMs: number
  readonly saveMs: number
  readonly cpu: number
  readonly bytes: number
}> {
  const cpu = cpuSeconds()
  const from = performance.now()
  const barrier = { checkpoint: 1, eventTime: undefined, isEnd: false }
  await partial.cut?.(barrier, { emit: async (_output, batch) => aggregate.process(batch, NOWHERE) })
  await aggregate.cut?.(barrier, NOWHERE)
  const cut = performance.now()
  const saved = await aggregate.state?.save(false)
  const saveMs = performance.now() - cut
  return { cutMs: cut - from, saveMs, cpu: cpuSeconds() - cpu, bytes: saved?.bytes.length ?? 0 }
}

async function measure(name: string, rows: number, from = feed): Promise<void> {
  const fed = await from(rows)
  const { cutMs, saveMs, cpu, bytes } = await checkpoint()
  const rate = (rows / (fed + cpu) / 1e6).toFixed(2)
  const pause = `pause ${cutMs.toFixed(0)} + ${saveMs.toFixed(0)} ms (${cpu.toFixed(2)} CPU-s), ${(bytes / 1e6).toFixed(1)} MB`
  const rss = (process.memoryUsage.rss() / 1e6).toFixed(0)
  console.log(`${name.padEnd(44)} ${rate} M rows/CPU-s, ${pause}, RSS ${rss} MB`)
}

console.log(`${KEYS} keys, ${BATCH_ROWS} rows in a batch`)
await measure('as many rows as keys, from nothing', KEYS)
await measure('four rows for each key', KEYS * 4)
for (const turn of [1, 2, 3]) await measure(`1 % of the keys change, ${turn}`, Math.ceil(KEYS / 100))
await measure('ten rows for each key', KEYS * 10)
await measure('four rows of JSON for each key', KEYS * 4, feedJson)
