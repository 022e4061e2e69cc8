/**
 * Rows per CPU-second through the data plane: bytes in, decoder, SQL with a filter and an expression, bytes out.
 *
 *     node scripts/bench/dataplane.ts [batches]
 */
import { openLaneDatabase, openQuery, parseColumnType } from '../../src/dataplane/index.ts'
import type { Column, QueryOutput } from '../../src/dataplane/index.ts'
import { JsonColumns } from '../../src/dataplane/json-columns.ts'

const ROWS = 10_000
const BATCHES = Number(process.argv[2] ?? 100)

const TYPES = {
  id: 'bigint',
  ts: 'timestamp(3)',
  user_id: 'bigint',
  event: 'varchar',
  amount: 'decimal(12,2)',
  url: 'varchar',
  agent: 'varchar',
}

const OUTPUTS: Record<string, QueryOutput> = {
  ndjson: { format: 'ndjson' },
  csv: { format: 'csv', separator: '\x01', nullText: '\\N', special: 'refuse' },
  'parquet zstd': { format: 'parquet', compression: 'zstd' },
  'parquet snappy': { format: 'parquet', compression: 'snappy' },
}

const columns: Column[] = Object.entries(TYPES).map(([name, type]) => ({
  name,
  type: parseColumnType(type),
  nullable: true,
}))
const sql = 'SELECT id, ts, user_id, upper(event) AS event, amount, url, agent FROM clicks WHERE amount > 0'

function makeRows(): Buffer {
  const lines = Array.from({ length: ROWS }, (_, index) =>
    JSON.stringify({
      id: 1_000_000 + index,
      ts: new Date(1_700_000_000_000 + index * 137).toISOString().replace('T', ' ').replace('Z', ''),
      user_id: (index * 7919) % 100_003,
      event: ['click', 'view', 'buy', 'cart'][index % 4],
      amount: ((index * 31) % 100_000) / 100,
      url: `/product/${index % 977}/detail?campaign=${index}`,
      agent: 'Mozilla/5.0 (X11; Linux)',
    }),
  )
  return Buffer.from(`${lines.join('\n')}\n`)
}

async function measure(name: string, rows: number, once: () => unknown): Promise<number> {
  for (let index = 0; index < BATCHES / 5; index++) await once()
  const before = process.cpuUsage()
  const started = performance.now()
  for (let index = 0; index < BATCHES; index++) await once()
  const wall = (performance.now() - started) / 1e3
  const used = process.cpuUsage(before)
  const perSecond = (BATCHES * rows) / ((used.user + used.system) / 1e6)
  const rss = Math.round(process.memoryUsage.rss() / 2 ** 20)
  const figures = [(perSecond / 1e6).toFixed(2), ((BATCHES * rows) / wall / 1e6).toFixed(2), String(rss)]
  console.log(`${name.padEnd(28)}${figures.map((figure) => figure.padStart(16)).join('')}`)
  return perSecond
}

const buffer = makeRows()
console.log(`${ROWS} rows of ${(buffer.length / ROWS).toFixed(1)} bytes, ${BATCHES} batches`)
console.log(`${''.padEnd(28)}   M rows/CPU-s     M rows/s         RSS MiB`)
const decoder = new JsonColumns(columns)
await measure('decoder alone', ROWS, () => decoder.decode(buffer, buffer.length, ROWS))
for (const [name, output] of Object.entries(OUTPUTS)) {
  await using database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
  const input = { format: 'ndjson', name: 'clicks', columns } as const
  const query = await openQuery(database, { input, sql, output })
  let target: Buffer | undefined
  await measure(name, ROWS, async () => {
    const result = await query.run({ buffer, length: buffer.length, rows: ROWS }, target)
    if (!result.ok) throw new Error(result.errors[0]?.reason)
    target = result.buffer
  })
  query.close()
}
