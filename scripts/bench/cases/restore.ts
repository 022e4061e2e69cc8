/** How long a start takes that has much to restore: many splits, and many transactions that are prepared and not committed. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { labelOf, StarRocksTransactions } from '../../../src/clients/stream-load/index.ts'
import type { PendingCommittable } from '../../../src/core/checkpoint-types.ts'
import { secret } from '../../../src/core/options.ts'
import { openCheckpointLog, prepareStatePlace, statePlaceOf } from '../../../src/storage/state-place.ts'
import { Ledger } from '../../../src/storage/ledger.ts'
import { startStarRocksEmulator } from '../../../src/testkit/emulators/starrocks/index.ts'
import { median } from '../figures.ts'
import type { Report, Settings } from '../results.ts'
import { RunningJob } from '../running-job.ts'
import type { TestBed } from '../test-bed.ts'

const SPLITS = 1000
const PENDING = 100
const TIMES = 3
const GOAL_SECONDS = 1
const NAME = 'restore'
const TARGET = { database: 'demo', table: 'events' }

export async function restoreMuch(bed: TestBed, _: Settings, report: Report): Promise<void> {
  const seconds: number[] = []
  for (let time = 0; time < TIMES; time++) seconds.push(await once(bed.freshDirectory()))
  report({
    kind: 'figure',
    case: 15,
    name: `a start with ${SPLITS} splits and ${PENDING} transactions to commit, from its claim on`,
    value: median(seconds),
    unit: 's',
    goal: GOAL_SECONDS,
    detail: `${TIMES} times: ${seconds.map((one) => one.toFixed(2)).join(', ')}`,
  })
}

async function once(directory: string): Promise<number> {
  const columns = [{ name: 'id', type: 'BIGINT', nullable: false }] as const
  await using server = await startStarRocksEmulator({ tables: [{ ...TARGET, model: 'duplicate', columns }] })
  const file = writePipeline(directory, server.urls[0] ?? '')
  await using first = new RunningJob(directory, file, { MILLRACE_FAILPOINTS: 'commit:before=kill' })
  await first.ended()
  await addPending(directory, server.urls)
  await using next = new RunningJob(directory, file)
  await next.until(() => next.hasTold('claimed'))
  const claimed = performance.now()
  await next.until(() => next.hasTold('started'))
  return (performance.now() - claimed) / 1000
}

/** A checkpoint behind the one that the killed job published, with more transactions than one job would leave. */
async function addPending(directory: string, urls: readonly string[]): Promise<void> {
  const place = statePlaceOf({ name: NAME, storage: path.join(directory, 'state') })
  prepareStatePlace(place)
  const log = await openCheckpointLog(place, 'bench')
  const ledger = await Ledger.claim(log, NAME, 'bench', Date.now)
  const { newest, pending, nextCheckpoint: checkpoint } = ledger.lineage()
  if (newest === undefined) throw new Error('the killed job published nothing')
  await using transactions = new StarRocksTransactions({
    urls,
    username: 'root',
    password: secret().parse(''),
    allowPlaintext: false,
  })
  const items = [...pending]
  while (items.length < PENDING) items.push(await prepared(transactions, checkpoint, ledger.epoch, items.length))
  const { fingerprint, delivery, sources, sinks, accounting, tookMs } = newest
  await ledger.publish({ checkpoint, fingerprint, delivery, sources, sinks, accounting, tookMs, pending: items })
  await log.close()
}

async function prepared(
  transactions: StarRocksTransactions,
  checkpoint: number,
  epoch: number,
  writer: number,
): Promise<PendingCommittable> {
  const name = { prefix: 'millrace', jobUid: NAME, sink: 'out', table: `${TARGET.database}.${TARGET.table}` }
  const label = labelOf({ ...name, writer, epoch, checkpoint, attempt: 0 })
  const at = { ...TARGET, label }
  await transactions.begin({ ...at, timeoutS: 600 })
  const load = await transactions.load({ ...at, headers: [['format', 'json']] })
  await load.write(Buffer.from(`{"id":${1_000_000 + writer}}`))
  await load.end()
  const { kind } = await transactions.prepare({ database: TARGET.database, label })
  if (kind !== 'prepared') throw new Error(`preparing ${label}: ${kind}`)
  const committable = { ...TARGET, label, rows: 1 }
  return {
    sink: 'out',
    checkpoint,
    epoch,
    orderKey: `${TARGET.database}.${TARGET.table}/${label}`,
    rows: 1,
    committable,
  }
}

function writePipeline(directory: string, url: string): string {
  mkdirSync(path.join(directory, 'in'))
  for (let split = 0; split < SPLITS; split++)
    writeFileSync(path.join(directory, 'in', `${split}.ndjson`), `{"id":${split}}\n`)
  const text = [
    `name: ${NAME}`,
    'parallelism: 2',
    'accept: [append-only-files]',
    'sources: {in: {connector: file, path: ./in, format: json, follow: true, schema: {id: bigint}}}',
    `sinks: {out: {from: in, connector: starrocks, url: '${url}', database: ${TARGET.database}, table: ${TARGET.table}}}`,
    'checkpoint: {interval: 500ms, maxDowntime: 10m, storage: ./state}',
  ]
  const file = path.join(directory, 'restore.yaml')
  writeFileSync(file, `${text.join('\n')}\n`)
  return file
}
