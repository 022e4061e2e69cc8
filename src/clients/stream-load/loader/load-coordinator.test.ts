import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCoordinatorContext } from '../../../testkit/lane-context.ts'
import { LoadCoordinator, type LoadServer } from './load-coordinator.ts'

const absent = async (): Promise<never> => assert.fail('nothing is asked of the server')
const SERVER: LoadServer = {
  commit: absent,
  settle: absent,
  abort: absent,
  state: absent,
  abandon: absent,
  reload: absent,
  close: absent,
}

/** How many loads of two writers may be committed side by side. */
async function sideBySide(isKeyed: boolean): Promise<number> {
  const target = { database: 'd', table: 't', labelPrefix: 'p', writers: 2, isNumbered: true, isKeyed, isKept: false }
  const coordinator = new LoadCoordinator(target, testCoordinatorContext(), SERVER)
  const parts = ['w0_e1_c1_a0_l1', 'w0_e1_c1_a0_l2', 'w0_e1_c1_a0_l10', 'w1_e1_c1_a0_l1'].map((label) => {
    return { database: 'd', table: 't', label, rows: 1 }
  })
  return new Set((await coordinator.combine(1, parts)).map(({ orderKey }) => orderKey)).size
}

test('loads of one writer into a table with a key are committed in their order, others side by side', async () => {
  assert.equal(await sideBySide(true), 2)
  assert.equal(await sideBySide(false), 4)
})
