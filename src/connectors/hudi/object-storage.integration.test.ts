/** What only a store without renames shows: uploads that a killed or sleeping writer left. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openTestBucket } from '../../../scripts/services/s3-bucket.ts'
import { listUploads } from '../../clients/s3/index.ts'
import { storeOpener } from '../../storage/open-store.ts'
import { requestInstant } from './commit.ts'
import { createMarker } from './markers.ts'
import { sweepTable } from './sweep.ts'
import { createTable } from './table.ts'

const shared = await openTestBucket()
after(() => shared[Symbol.asyncDispose]())

const TABLE = { name: 't', database: '', partitionFields: [], recordKeyFields: [], hiveStyle: true, urlEncode: false }
const OWNER = { job: 'j', sink: 's', epoch: 1, checkpoint: 1 }

test('a sweep throws away what a writer of a dead instant has uploaded, and that writer cannot finish it', async () => {
  const store = await storeOpener(shared.settings)(`s3://${shared.name}/table`)
  await createTable(store, TABLE, '{}')
  const [dead, alive] = ['20261121000000001', '20261121000000002']
  const begin = async (instant: string): Promise<Awaited<ReturnType<typeof store.openWriter>>> => {
    const path = `dt=1/7312325d-0bb5-5d07-aa2b-db24e72e1d6f-0_0-1-1_${instant}.parquet`
    await createMarker(store, instant, path)
    const writer = await store.openWriter(path)
    await writer.write(Buffer.alloc(9 * 1024 * 1024))
    return writer
  }
  assert.equal(await requestInstant(store, dead, OWNER), 'ours')
  const zombie = await begin(dead)
  assert.equal(await requestInstant(store, alive, { ...OWNER, epoch: 2 }), 'ours')
  const own = await begin(alive)
  const uploads = async (): Promise<number> => (await Array.fromAsync(listUploads(shared.bucket, 'table/'))).length
  while ((await uploads()) < 2) await new Promise((resolve) => setImmediate(resolve))

  const request = { sink: { job: 'j', sink: 's' }, below: 2, keep: new Set<string>(), nowMs: Date.UTC(2026, 10, 22) }
  assert.deepEqual(await sweepTable(store, request), [dead])
  assert.equal(await uploads(), 1)
  await assert.rejects(zombie.finish())
  await zombie.abort()
  assert.equal((await own.finish()).size, 9 * 1024 * 1024)
})
