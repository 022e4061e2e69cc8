import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from './clock.ts'
import { TableStore } from './table.ts'
import { TransactionTable, type Transaction, type TransactionSettings } from './transaction-table.ts'

/*
 * Random walks over begin, prepare, commit, abort, time and restarts. After every step: a row is visible exactly when
 * its transaction was published, what was committed is never lost, and only PREPARE is lost by a restart.
 */
const SETTINGS: TransactionSettings = {
  publishDelayMs: 5,
  labelKeepMaxSecond: 3600,
  labelKeepMaxNum: 1000,
  doesLabelCountIncludeRunning: true,
  compactionVersionsPerSecond: 1,
}

type Step = 'begin' | 'prepare' | 'commit' | 'abort' | 'advance' | 'restart'
const STEPS: readonly Step[] = ['begin', 'prepare', 'commit', 'abort', 'advance', 'restart']

function take(step: Step, at: Transaction | undefined, transactions: TransactionTable, clock: ManualClock): void {
  if (step === 'advance') clock.advance(7)
  else if (step === 'restart') transactions.restart()
  else if (at === undefined || transactions.byId(at.id) === undefined) return
  else if (step === 'prepare' && at.state === 'PREPARE') transactions.prepare(at, 30)
  else if (step === 'commit' && (at.state === 'PREPARE' || at.state === 'PREPARED')) transactions.commit(at)
  else if (step === 'abort' && (at.state === 'PREPARE' || at.state === 'PREPARED')) transactions.abort(at, 'walk')
}

test('rows are visible exactly when their transaction is, whatever happens in between', () => {
  const walk = fc.array(fc.tuple(fc.constantFrom(...STEPS), fc.nat(5)), { maxLength: 40 })
  fc.assert(
    fc.property(walk, (steps) => {
      const clock = new ManualClock()
      const transactions = new TransactionTable(clock, () => SETTINGS)
      const definition = { database: 'd', table: 't', model: 'duplicate', columns: [] } as const
      const table = new TableStore(definition, { dialect: 'starrocks', tabletId: 1, isOpen: false })
      const begun: Transaction[] = []
      const delta = { rows: 1, chunks: [], changes: [], isPartial: false, mergeCondition: undefined }
      for (const [step, which] of steps) {
        const before = begun.map((one) => one.state)
        if (step === 'begin') {
          const request = {
            database: 'd',
            label: `L${begun.length}`,
            table,
            coordinator: 0,
            timeoutMs: 20,
          }
          const transaction = transactions.begin(request)
          transaction.deltas = [delta]
          begun.push(transaction)
        } else take(step, begun[which % Math.max(1, begun.length)], transactions, clock)
        assert.equal(table.rowCount, begun.filter((one) => one.state === 'VISIBLE').length)
        for (const [index, was] of before.entries()) {
          const one = begun[index]
          if (was === 'COMMITTED') assert.ok(one?.state === 'COMMITTED' || one?.state === 'VISIBLE')
          if (was === 'VISIBLE' || was === 'ABORTED') assert.equal(one?.state, was)
          const isKnown = transactions.byId(one?.id ?? 0) !== undefined
          if (step === 'restart' && was === 'PREPARE') assert.equal(isKnown, false)
          else if (was !== 'PREPARE') assert.equal(isKnown, true)
        }
      }
      clock.advance(1000)
      assert.equal(begun.filter((one) => one.state === 'COMMITTED').length, 0)
    }),
  )
})
