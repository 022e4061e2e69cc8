/** What a Hudi table that has been written for long costs a checkpoint, and how its files have grown. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { commitInstant, requestInstant } from '../../../src/connectors/hudi/commit.ts'
import { encodeCommit, type WriteStat } from '../../../src/connectors/hudi/commit-metadata.ts'
import { formatInstant } from '../../../src/connectors/hudi/instant.ts'
import { createTable, refuseChangedTable } from '../../../src/connectors/hudi/table.ts'
import { TimelineWatch } from '../../../src/connectors/hudi/timeline-watch.ts'
import { LocalFileStore } from '../../../src/storage/local-file-store.ts'
import { viewHudiTable } from '../../../src/testkit/hudi-checker.ts'
import { openHudiLake } from '../../../src/testkit/hudi-lake.ts'
import { realClock } from '../../../src/testkit/lane-context.ts'
import { median } from '../figures.ts'
import type { Report, Settings } from '../results.ts'
import type { TestBed } from '../test-bed.ts'

const INSTANTS = 2000
const FILES = 10_000
const OWNER = { job: 'bench', sink: 'lake', epoch: 1, checkpoint: 1 }
const TABLE = { name: 't', database: '', partitionFields: [], recordKeyFields: [], hiveStyle: true, urlEncode: true }

const CHECKPOINTS = 1000
const ROWS_PER_CHECKPOINT = 1000
const TARGET_BYTES = 256 * 1024

export async function oldHudiTable(bed: TestBed, { repeat }: Settings, report: Report): Promise<void> {
  const { opening, committing, first } = await checkpointsOn(bed.freshDirectory(), 10 * repeat)
  const detail = `median of ${opening.length} on ${INSTANTS} instants and ${FILES} files`
  const times = { kind: 'figure', case: 10, unit: 's', goal: 0.2 } as const
  report({ ...times, name: 'opening an instant', value: median(opening), detail: `${detail}; the first ${first} s` })
  report({ ...times, name: 'committing it', value: median(committing), detail })
  const { small, files } = await manyCheckpoints()
  const sizes = `${CHECKPOINTS} checkpoints, target ${TARGET_BYTES / 1024} KiB: ${files} files`
  const name = 'bytes in files below half the target size'
  report({ kind: 'figure', case: 10, name, value: 100 * small, unit: '%', detail: sizes, goal: 10 })
}

function statOf(fileId: string, instant: string): WriteStat {
  return { fileId, path: `${fileId}_0-1-1_${instant}.parquet`, partitionPath: '', rows: 1, bytes: 1 }
}

async function checkpointsOn(
  directory: string,
  count: number,
): Promise<{ readonly opening: number[]; readonly committing: number[]; readonly first: string }> {
  const store = await LocalFileStore.open(directory)
  await createTable(store, TABLE, '{}')
  const now = Date.now()
  mkdirSync(path.join(directory, '.hoodie'), { recursive: true })
  for (let at = 0; at < INSTANTS; at++) {
    const instant = formatInstant(now - (INSTANTS - at) * 10_000)
    const stats = Array.from({ length: FILES / INSTANTS }, (_, file) => statOf(`f${at}x${file}`, instant))
    for (const stat of stats) writeFileSync(path.join(directory, stat.path), '1')
    const commit = encodeCommit({ owner: OWNER, avroSchema: '{}', stats })
    for (const state of ['commit.requested', 'inflight', 'commit']) {
      writeFileSync(path.join(directory, '.hoodie', `${instant}.${state}`), commit)
    }
  }
  const timeline = new TimelineWatch(store, realClock)
  const [opening, committing]: [number[], number[]] = [[], []]
  for (let checkpoint = 1; checkpoint <= count + 1; checkpoint++) {
    const started = performance.now()
    await refuseChangedTable(store)
    const instant = await timeline.next()
    opening.push((performance.now() - started) / 1000)
    const owner = { ...OWNER, checkpoint }
    await requestInstant(store, instant, owner)
    const stats = [statOf(`n${checkpoint}`, instant)]
    await store.create(stats[0]?.path ?? '', Buffer.from('1'))
    const cut = performance.now()
    await commitInstant(store, { instant, owner, stats, avroSchema: '{}' }, await timeline.read())
    committing.push((performance.now() - cut) / 1000)
  }
  // The whole timeline is read once in a run.
  const [first = 0, ...others] = opening
  return { opening: others, committing: committing.slice(1), first: first.toFixed(3) }
}

async function manyCheckpoints(): Promise<{ readonly small: number; readonly files: number }> {
  await using lake = await openHudiLake({ options: { targetFileSize: TARGET_BYTES } })
  for (let at = 0; at < CHECKPOINTS; at++) await lake.load(at * ROWS_PER_CHECKPOINT, (at + 1) * ROWS_PER_CHECKPOINT)
  const { snapshot } = await viewHudiTable(lake.store)
  const sizes = await Promise.all(snapshot.map(async (file) => (await lake.store.size(file)) ?? 0))
  const sum = (all: readonly number[]): number => all.reduce((total, bytes) => total + bytes, 0)
  return { small: sum(sizes.filter((bytes) => bytes < TARGET_BYTES / 2)) / sum(sizes), files: sizes.length }
}
