/** Tables in object storage: the same rows as from the disk, and no more bytes than are needed. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { openTestBucket, type TestBucket } from '../../../scripts/services/s3-bucket.ts'
import type { OpenStore } from '../../core/file-store.ts'
import { storeOpener } from '../../storage/open-store.ts'
import { fixtureTable, OpenedIceberg } from '../../testkit/iceberg-tables.ts'

async function upload(name: string, bucket: TestBucket, openStore: OpenStore): Promise<string> {
  const store = await openStore(`s3://${bucket.name}/warehouse/${name}`)
  const directory = fixtureTable(name)
  for (const file of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const full = path.join(directory, file)
    if (statSync(full).isFile()) await store.create(file.split(path.sep).join('/'), readFileSync(full))
  }
  return `s3://${bucket.name}/warehouse/${name}`
}

for (const where of ['settings', 'hosted'] as const) {
  const words = where === 'hosted' ? 'whose name is in the host' : 'whose name is in the path'
  test(`a table in a bucket ${words} has the rows that it has on a disk`, async () => {
    await using bucket = await openTestBucket()
    await sameRows(bucket, (address) => storeOpener(undefined)(address, { s3: bucket[where] }))
  })
}

async function sameRows(bucket: TestBucket, openStore: OpenStore): Promise<void> {
  for (const name of ['v2_position_deletes', 'v2_schema_evolution']) {
    const address = await upload(name, bucket, openStore)
    for (const table of [address, `${address}/metadata/${newestOf(name)}`.replace('s3://', 's3a://')]) {
      await using there = await OpenedIceberg.open({ table }, { openStore })
      await using here = await OpenedIceberg.open({ table: fixtureTable(name) })
      assert.deepEqual((await there.readLines()).toSorted(), (await here.readLines()).toSorted())
    }
  }
}

function newestOf(name: string): string {
  const versions = readdirSync(path.join(fixtureTable(name), 'metadata')).flatMap(
    (file) => /^v(\d+)\.metadata\.json$/.exec(file)?.[1] ?? [],
  )
  return `v${Math.max(...versions.map(Number))}.metadata.json`
}

test('a data file that somebody deleted halts the job, and is named', async () => {
  await using bucket = await openTestBucket()
  const openStore: OpenStore = (address) => storeOpener(undefined)(address, { s3: bucket.settings })
  const table = await upload('v2_expired', bucket, openStore)
  const store = await openStore(table)
  for await (const { path: file } of store.list('data/')) await store.remove(file)
  await using source = await OpenedIceberg.open({ table }, { openStore })
  await assert.rejects(source.readLines(), { code: 'POSITION_LOST', message: /\.parquet: it is gone/ })
})
