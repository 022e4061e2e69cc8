import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { SinkDescription } from '../../core/connector.ts'
import type { Delivery } from '../../core/delivery.ts'
import type { Route } from '../../core/routes.ts'
import { describeSqlSink } from './describe-sink.ts'
import { sqlSinkFields } from './options.ts'

function deliveryOf(routes: readonly Route[]): Delivery {
  const options = z.strictObject(sqlSinkFields(10)).parse({ routes })
  const times = { intervalMs: 1, timeoutMs: 1, maxDowntimeMs: 1, retained: 1 }
  return describeSqlSink(options, { schema: undefined, lanes: 1, times, delivery: 'two-phase' }, String).delivery
}

test('which rows an older version cannot replace stands in what a sink of several tables promises', () => {
  const plain = { match: 'a\\..*', table: '{table}' }
  const guarded = { ...plain, version: 'changed' }
  const reasons = [[plain], [plain, guarded], [guarded]].map(deliveryOf)
  assert.deepEqual(
    reasons.map((one) => [
      one.class,
      /, (.*never by an older version)/.exec(one.reason)?.[1],
      one.stronger !== undefined,
    ]),
    [
      ['convergent', undefined, true],
      ['convergent', 'in 1 of 2 routes never by an older version', true],
      ['convergent', 'never by an older version', false],
    ],
  )
})

test('a version says that it does not cover deletes, where rows may be some', () => {
  const describe = (more: object, ...columns: readonly string[]): SinkDescription => {
    const options = z.strictObject(sqlSinkFields(10)).parse({ table: 't', key: ['id'], ...more })
    const schema = ['id', 'changed', ...columns].map((name) => ({ name, type: 'bigint', nullable: true }))
    const times = { intervalMs: 1, timeoutMs: 1, maxDowntimeMs: 1, retained: 1 }
    return describeSqlSink(options, { schema, lanes: 1, times, delivery: 'two-phase' }, String)
  }
  const version = { version: 'changed' }
  const said = [describe(version, '__op'), describe(version), describe({}, '__op')]
  assert.deepEqual(
    said.map(({ findings }) => findings.map(({ severity, path }) => `${severity} ${path?.join('.')}`)),
    [['warning version'], [], []],
  )
  assert.deepEqual(
    said.map(({ delivery }) => delivery.reason.includes('deletes have none')),
    [true, false, false],
  )
  assert.deepEqual(describe({ ...version, mode: 'transactional' }, '__op').findings, [], 'nothing is written again')
})
