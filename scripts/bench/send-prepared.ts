/**
 * The raw limit of a loader: the same prepared bytes sent again and again, in transactions like those of a pipeline.
 * `node send-prepared.ts <starrocks|doris> <json of {urls, backends}> <rows>` prints one JSON object.
 */
import { Secret } from '../../src/core/secret.ts'
import { DorisTwoPhaseLoads, StarRocksTransactions, type LoadStream } from '../../src/clients/stream-load/index.ts'
import { ROW_BYTES, RowGenerator } from './rows.ts'

const [kind = '', placeText = '{}', rowsText = ''] = process.argv.slice(2)
const place = JSON.parse(placeText) as { urls: string[]; backends: string[] }
const endpoint = { ...place, username: 'root', password: new Secret(''), allowPlaintext: false }
const ROWS = Number(rowsText)
const ROWS_PER_CHUNK = 12_000
const ROWS_PER_LOAD = kind === 'starrocks' ? 16 * ROWS_PER_CHUNK : Infinity
const chunk = Buffer.allocUnsafe(ROWS_PER_CHUNK * (ROW_BYTES + 1))
const at = { database: 'bench', table: 'raw' }
const headers = [
  ['format', 'json'],
  ...(kind === 'starrocks'
    ? [
        ['strip_outer_array', 'true'],
        ['ignore_json_size', 'true'],
      ]
    : [['read_json_by_line', 'true']]),
] as [string, string][]

/** Sends `rows` rows (whole chunks) into an open load. */
async function feed(stream: LoadStream<unknown>, rows: number): Promise<void> {
  const isArray = kind === 'starrocks'
  const body = isArray ? chunk.subarray(0, -1) : chunk
  let inFlight = Promise.resolve()
  for (let sent = 0; sent < rows; sent += ROWS_PER_CHUNK) {
    const head = isArray ? stream.write(Buffer.from(sent === 0 ? '[' : ',')) : undefined
    const writing = Promise.all([head, stream.write(body)]).then(() => undefined)
    await inFlight
    inFlight = writing
  }
  await inFlight
  if (isArray) await stream.write(Buffer.from(']'))
}

async function toStarRocks(label: string): Promise<void> {
  await using transactions = new StarRocksTransactions(endpoint)
  expect(await transactions.begin({ ...at, label, timeoutS: 600 }), 'begun')
  for (let sent = 0; sent < ROWS; sent += ROWS_PER_LOAD) {
    const stream = await transactions.load({ ...at, label, headers })
    await feed(stream, Math.min(ROWS_PER_LOAD, ROWS - sent))
    expect(await stream.end(), 'loaded')
  }
  expect(await transactions.prepare({ ...at, label }), 'prepared')
  expect(await transactions.commit({ ...at, label }), 'committed', 'visible-pending')
}

async function toDoris(label: string): Promise<void> {
  await using loads = new DorisTwoPhaseLoads(endpoint)
  const stream = await loads.load({ ...at, label, headers })
  await feed(stream, ROWS)
  const outcome = await stream.end()
  if (outcome.kind !== 'precommitted') throw new Error(`loading ${label}: ${outcome.kind}`)
  // Visible a moment later is committed, too.
  expect(await loads.commit({ ...at, label, txnId: outcome.txnId }), 'committed', 'visible-pending')
}

function expect(outcome: { readonly kind: string }, ...kinds: readonly string[]): void {
  if (!kinds.includes(outcome.kind)) throw new Error(`expected ${kinds[0]}, got ${JSON.stringify(outcome)}`)
}

new RowGenerator().fill(chunk, ROWS_PER_CHUNK)
const send = kind === 'starrocks' ? toStarRocks : toDoris
await send(`warm_${process.pid}`)
const cpuBefore = process.cpuUsage()
const wallBefore = performance.now()
await send(`measured_${process.pid}`)
const wallSeconds = (performance.now() - wallBefore) / 1000
const cpu = process.cpuUsage(cpuBefore)
const rows = Math.ceil(ROWS / ROWS_PER_CHUNK) * ROWS_PER_CHUNK
console.log(
  JSON.stringify({
    rows,
    wallSeconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  }),
)
