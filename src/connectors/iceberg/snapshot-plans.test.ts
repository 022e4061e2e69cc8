import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTableMetadata } from '../../clients/iceberg/index.ts'
import { MillraceError } from '../../core/errors.ts'
import type { IcebergTable } from './open-table.ts'
import { icebergSourceOptions } from './options.ts'
import { SnapshotPlans } from './snapshot-plans.ts'
import { TableFiles } from './table-files.ts'

/** A table of so many snapshots, numbered from 1. */
function tableOf(snapshots: number): IcebergTable {
  const json = {
    'format-version': 2,
    location: '/t',
    schemas: [{ type: 'struct', fields: [{ id: 1, name: 'id', required: true, type: 'long' }] }],
    'current-schema-id': 0,
    'partition-specs': [],
    'current-snapshot-id': snapshots,
    snapshots: Array.from({ length: snapshots }, (_, index) => ({
      'snapshot-id': index + 1,
      ...(index > 0 && { 'parent-snapshot-id': index }),
      'timestamp-ms': index,
    })),
  }
  const files = new TableFiles({
    openStore: () => Promise.reject(new Error('unused')),
    s3: undefined,
    moved: undefined,
  })
  const metadata = parseTableMetadata(Buffer.from(JSON.stringify(json)), 't')
  return { metadata, files, readFile: () => Promise.reject(new Error('unused')) }
}

test('the table is looked at once in each interval, and a catalog that is away is asked later again', async () => {
  let now = 0
  let looks = 0
  const warnings: string[] = []
  let answer: () => IcebergTable = () => tableOf(1)
  const options = icebergSourceOptions.parse({ table: '/t', follow: true, discoveryInterval: '1s' })
  const look = async (): Promise<IcebergTable> => {
    looks++
    return answer()
  }
  const log = { warn: (message: string): void => void warnings.push(message) }
  const plans = new SnapshotPlans({ look }, options, { clock: { now: () => now }, log })

  assert.equal(await plans.following('1'), undefined)
  answer = () => tableOf(3)
  assert.equal(await plans.following('1'), undefined)
  assert.equal(looks, 1)
  now = 1000
  assert.equal((await plans.following('1'))?.id, '2')
  assert.equal((await plans.following('2'))?.id, '3')
  assert.equal(looks, 2)

  answer = () => {
    throw new MillraceError('reading t: 503', { code: 'UNAVAILABLE', retry: 'restart' })
  }
  now = 2000
  assert.equal(await plans.following('3'), undefined)
  assert.equal(await plans.following('3'), undefined)
  assert.equal(looks, 3)
  assert.deepEqual(warnings, ['looking for new snapshots: reading t: 503'])
  answer = () => tableOf(4)
  now = 3000
  assert.equal((await plans.following('3'))?.id, '4')
})

test('what will not pass by itself is thrown', async () => {
  let now = 0
  let answer: () => IcebergTable = () => tableOf(1)
  const options = icebergSourceOptions.parse({ table: '/t', follow: true, discoveryInterval: '1s' })
  const plans = new SnapshotPlans({ look: async () => answer() }, options, {
    clock: { now: () => now },
    log: { warn: () => undefined },
  })
  assert.equal(await plans.following('1'), undefined)
  answer = () => {
    throw new MillraceError('reading t: 403', { code: 'AUTH' })
  }
  now = 1000
  await assert.rejects(plans.following('1'), { code: 'AUTH' })
})
