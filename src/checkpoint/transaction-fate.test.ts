import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PendingCommittable } from '../core/checkpoint-types.ts'
import type { Decision, LogEntry } from './entries.ts'
import type { Lineage } from './lineage.ts'
import { fateOf, type TransactionFate } from './transaction-fate.ts'

const LINEAGE = { confirmedUpTo: 3 } as Lineage

function fate(checkpoint: number, ...decisions: Decision[]): TransactionFate {
  const item = { sink: 'out', checkpoint } as PendingCommittable
  return fateOf(
    item,
    decisions.map((decision) => ({ kind: 'decision', decision }) as LogEntry),
    LINEAGE,
  )
}

test('a transaction is committed when its checkpoint is confirmed, and pending before', () => {
  assert.deepEqual([fate(3), fate(4)], ['committed', 'pending'])
})

test('a decision about it says what became of it, also when a later checkpoint is confirmed', () => {
  assert.equal(fate(2, { action: 'accept-loss', checkpoint: 2, sink: 'out' }), 'given-up')
  assert.equal(fate(2, { action: 'mark-committed', checkpoint: 2, sink: 'out' }), 'found')
  assert.equal(fate(2, { action: 'rewind', void: 2 }), 'voided')
})

test('decisions about others do not touch it', () => {
  const others: Decision[] = [
    { action: 'accept-loss', checkpoint: 2, sink: 'other' },
    { action: 'accept-loss', checkpoint: 1, sink: 'out' },
    { action: 'rewind', void: 1 },
  ]
  assert.deepEqual([fate(2, ...others), fate(4, ...others)], ['committed', 'pending'])
})
