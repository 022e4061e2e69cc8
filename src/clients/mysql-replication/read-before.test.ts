import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadBefore } from './read-before.ts'

const UUID = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const NO_FILE = { file: 'bin.000001', position: 4 }

test('a transaction of MySQL was read when its number is in the set, gaps kept', () => {
  const read = new ReadBefore({ flavour: 'mysql', gtid: `${UUID}:1-5:7`, ...NO_FILE })
  const has = (number: bigint): boolean => read.has({ kind: 'mysql', origin: UUID, number })
  assert.deepEqual([1n, 5n, 6n, 7n, 8n].map(has), [true, true, false, true, false])
  const reached = (gtid: string): boolean => read.isReachedBy({ flavour: 'mysql', gtid, ...NO_FILE })
  // On another server the transactions may have come in another order.
  assert.deepEqual([`${UUID}:1-5`, `${UUID}:1-6:8`, `${UUID}:1-7`, `${UUID}:1-9`].map(reached), [
    false,
    false,
    true,
    true,
  ])
})

test('a transaction of MariaDB was read up to the last one of its domain', () => {
  const read = new ReadBefore({ flavour: 'mariadb', gtid: '0-1-10,3-1-5', ...NO_FILE })
  const has = (domain: number, sequence: bigint): boolean => read.has({ kind: 'mariadb', domain, sequence })
  assert.deepEqual([has(0, 10n), has(0, 11n), has(3, 5n), has(7, 1n)], [true, false, true, false])
  const reached = (gtid: string): boolean => read.isReachedBy({ flavour: 'mariadb', gtid, ...NO_FILE })
  assert.deepEqual(['0-1-10', '0-1-10,3-1-4', '0-2-11,3-1-5'].map(reached), [false, false, true])
})

test('without GTIDs the place in the files counts, by the numbers of the files', () => {
  const read = new ReadBefore({ flavour: 'mysql', gtid: undefined, file: 'bin.999999', position: 500 })
  const has = (file: string, position: number): boolean => read.has({ kind: 'file', file, position })
  assert.deepEqual([has('bin.999999', 400), has('bin.999999', 579), has('bin.1000000', 10)], [true, false, false])
  const reached = (file: string, position: number): boolean =>
    read.isReachedBy({ flavour: 'mysql', gtid: undefined, file, position })
  assert.deepEqual(
    [reached('bin.999999', 499), reached('bin.999999', 500), reached('bin.1000000', 4)],
    [false, true, true],
  )
})
