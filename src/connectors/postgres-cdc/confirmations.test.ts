import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Confirmations, hearConfirmations } from './confirmations.ts'

test('a lane hears of the oldest checkpoint that a job may be put back to, and of nothing newer', async () => {
  const name = randomUUID()
  const heard: bigint[] = []
  const stop = hearConfirmations(name, (lsn) => heard.push(lsn))
  const others: bigint[] = []
  const stopOthers = hearConfirmations(`${name} of another job`, (lsn) => others.push(lsn))
  const confirmations = new Confirmations(name, 3)
  for (const lsn of [10n, 20n, 30n, 40n]) confirmations.confirmed(lsn)
  const patience = AbortSignal.timeout(180_000)
  while (heard.length < 2 && !patience.aborted) await turn()
  assert.deepEqual(heard, [10n, 20n])
  assert.deepEqual(others, [])
  confirmations.close()
  stop()
  stopOthers()
})
