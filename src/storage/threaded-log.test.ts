import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { draftOf } from '../testkit/ledger-drafts.ts'
import type { CheckpointLog } from './checkpoint-log.ts'
import { Ledger } from './ledger.ts'
import { openLocalLog } from './threaded-log.ts'

class Logs implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  readonly #open: CheckpointLog[] = []

  open(nonce: string): CheckpointLog {
    const log = openLocalLog(this.directory, nonce)
    this.#open.push(log)
    return log
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const log of this.#open) await log.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

test('of two processes on one directory the later claim wins and the earlier one is fenced', async () => {
  await using logs = new Logs()
  const first = await Ledger.claim(logs.open('a'), 'job', 'a', () => 0)
  await first.publish(draftOf(1))
  const second = await Ledger.claim(logs.open('b'), 'job', 'b', () => 0)
  assert.equal(second.lineage().newest?.checkpoint, 1)
  await assert.rejects(first.publish(draftOf(2)), { code: 'FENCED' })
  await second.publish(draftOf(2))
})

test('an error of the disk comes back with its code, and the thread goes on', async () => {
  await using logs = new Logs()
  writeFileSync(join(logs.directory, 'file'), '')
  const log = openLocalLog(join(logs.directory, 'file'), 'a')
  await assert.rejects(log.list(0), { code: 'STORE_IO', retry: 'halt' })
  await assert.rejects(log.list(0), { code: 'STORE_IO' })
  await log.close()
})

test('after closing, nothing is answered any more', async () => {
  await using logs = new Logs()
  const log = logs.open('a')
  assert.deepEqual(await log.list(0), [])
  await log.close()
  await assert.rejects(log.list(0), { code: 'STORE_IO' })
  await log.close()
})
