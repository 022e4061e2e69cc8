import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Clock } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'
import type { CheckpointLog } from '../storage/checkpoint-log.ts'
import { Ledger } from '../storage/ledger.ts'
import { openLocalLog } from '../storage/threaded-log.ts'
import { realClock } from '../testkit/lane-context.ts'
import { watchOwnership } from './ownership-watch.ts'

const hasty: Clock = { ...realClock, now: () => 0, sleep: () => new Promise((resolve) => setImmediate(resolve)) }

function claim(log: CheckpointLog, nonce: string): Promise<Ledger> {
  return Ledger.claim(log, 'job', nonce, () => 0)
}

test('an idle instance learns that it was taken over, and its own entries are no reason', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'millrace-owner-'))
  const log = openLocalLog(directory.path, 'test')
  const first = await claim(log, 'first')
  await first.verifyOwnership()
  await first.reclaim()
  await first.verifyOwnership()
  const { signal } = new AbortController()
  const fenced = Promise.withResolvers<MillraceError>()
  const watching = watchOwnership(first, hasty, signal, fenced.resolve)
  const second = await claim(log, 'second')
  const error = await fenced.promise
  assert.deepEqual([error.code, error.exitCode], ['FENCED', 66])
  await watching
  await second.verifyOwnership()
  await log.close()
})

test('a store that fails is left to the next write, and a job that ended is not watched', async () => {
  const ending = new AbortController()
  let looks = 0
  const broken = {
    verifyOwnership: async () => {
      looks += 1
      if (looks === 3) ending.abort()
      throw new MillraceError('the disk is away', { code: 'STORE_IO' })
    },
  }
  await watchOwnership(broken, hasty, ending.signal, () => assert.fail('it was not fenced'))
  assert.equal(looks, 3)
})
