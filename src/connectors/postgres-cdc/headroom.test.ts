import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Slot } from '../../clients/postgres-replication/index.ts'
import { Headroom } from './headroom.ts'

const SLOT: Slot = {
  plugin: 'pgoutput',
  database: 'd',
  activePid: undefined,
  confirmed: 0n,
  walStatus: 'reserved',
  safeBytes: 10_000,
}

test('the headroom of a slot is what is left of its log at the rate of the last look', () => {
  const headroom = new Headroom()
  assert.equal(headroom.look(SLOT, 1000n, 0), undefined, 'no rate is known yet')
  assert.equal(headroom.look(SLOT, 3000n, 2000), 10)
  assert.equal(headroom.look({ ...SLOT, safeBytes: -5 }, 4000n, 3000), 0)
  assert.equal(headroom.look(SLOT, 4000n, 9000), undefined, 'the log does not grow')
  assert.equal(headroom.look({ ...SLOT, safeBytes: undefined }, 9000n, 12_000), undefined, 'nothing limits it')
})
