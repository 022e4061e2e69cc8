import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connector } from './index.ts'
import { tidbSourceOptions } from './options.ts'

const ADDRESS = { url: 'mysql://localhost:4000/shop', username: 'reader', table: 'orders', column: 'id' }

test('what slices promise follows from who gives values, and from who waits for whom', () => {
  const promise = (options: object): unknown => {
    const delivery = connector.source?.describe(tidbSourceOptions.parse({ ...ADDRESS, ...options }), {
      schema: undefined,
    })
    return [delivery?.delivery.class, delivery?.delivery.assumptions, delivery?.bounded]
  }
  assert.deepEqual(promise({}), ['atomic', [], false])
  assert.deepEqual(promise({ end: 'latest' }), ['atomic', [], true])
  assert.deepEqual(promise({ assignedBy: 'application' }), ['atomic', ['values-rise-with-transactions'], false])
  assert.deepEqual(promise({ safeLag: '5m' }), ['atomic', ['no-transaction-outlives-safe-lag'], false])
})

test('what cannot be read is told before anything is connected', () => {
  const { table: _, ...others } = ADDRESS
  const found = connector.source?.describe(tidbSourceOptions.parse(others), { schema: undefined })
  assert.deepEqual(
    found?.findings.map(({ path }) => path),
    [['table']],
  )
})
