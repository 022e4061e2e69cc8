import assert from 'node:assert/strict'
import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CheckpointEntry } from '../checkpoint/entries.ts'
import { foldLineage } from '../checkpoint/lineage.ts'
import { savepointOf } from '../checkpoint/savepoint.ts'
import { draftOf } from '../testkit/ledger-drafts.ts'
import { Ledger } from './ledger.ts'
import { keepSavepoint, readSavepoints } from './savepoints.ts'
import { openCheckpointLog, type StatePlace } from './state-place.ts'

const ITEM = { sink: 'out', epoch: 1, orderKey: '', rows: 1, committable: { label: 'x' } }

/** A log with two confirmed checkpoints and one that is pending. */
async function withLog(work: (place: StatePlace, newest: CheckpointEntry) => Promise<void>): Promise<void> {
  await using made = await mkdtempDisposable(join(tmpdir(), 'millrace-savepoints-'))
  const place = { name: 'job', directory: made.path }
  const log = await openCheckpointLog(place, 'test')
  try {
    const ledger = await Ledger.claim(log, 'job', 'nonce', Date.now)
    for (const checkpoint of [1, 2, 3]) {
      await ledger.publish(draftOf(checkpoint, [{ ...ITEM, checkpoint }]))
      if (checkpoint < 3) await ledger.confirm(checkpoint)
    }
    const entry = savepointOf(foldLineage(ledger.entries))
    assert.ok(entry !== undefined)
    await work(place, entry)
  } finally {
    await log.close()
  }
}

test('a savepoint is the newest confirmed checkpoint without anything to commit, and keeping it twice is success', async () => {
  await withLog(async (place, entry) => {
    assert.deepEqual([entry.checkpoint, entry.pending], [2, []])
    assert.deepEqual(await readSavepoints(place), [], 'a look leaves no trace')
    assert.deepEqual(await readdir(place.directory), ['log'])
    assert.equal(await keepSavepoint(place, entry), 'kept')
    assert.equal(await keepSavepoint(place, entry), 'was there')
    assert.deepEqual(await readSavepoints(place), [entry])
  })
})

test('another checkpoint of the same number is refused, and so is a damaged copy', async () => {
  await withLog(async (place, entry) => {
    await keepSavepoint(place, entry)
    await assert.rejects(keepSavepoint(place, { ...entry, nonce: 'other' }), { code: 'STORE_CORRUPT' })
    const folder = join(place.directory, 'savepoints', 'log')
    const [name = ''] = await readdir(folder)
    const text = await readFile(join(folder, name), 'utf8')
    await writeFile(join(folder, '000000000007'), text)
    await assert.rejects(readSavepoints(place), /savepoint 7 is none/)
    await writeFile(join(folder, name), text.replace('"plan"', '"plam"'))
    await assert.rejects(readSavepoints(place), { code: 'STORE_CORRUPT' })
  })
})

test('before the first confirmed checkpoint there is nothing to keep', () => {
  assert.equal(savepointOf(foldLineage([])), undefined)
})
