import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Schema } from '../core/schema.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { checkRowExpression } from './queries.ts'

const checker = new DuckdbChecker()
after(() => checker[Symbol.asyncDispose]())

const SCHEMA: Schema = [
  { name: 'ts', type: 'timestamp(3)', nullable: true },
  { name: 'id', type: 'bigint', nullable: false },
]

test('an expression that a sink computes is one value of one row, and nothing else', async () => {
  const at = ['partitionBy', 0]
  for (const fine of ["strftime(ts, '%Y-%m-%d')", 'id % 16 -- a bucket', 'CAST(ts AS DATE)']) {
    assert.deepEqual(await checkRowExpression(checker, fine, SCHEMA, at), [], fine)
  }
  for (const wrong of [
    'nope',
    'max(id)',
    'random()',
    'id, ts',
    'id) AS a, (ts',
    'row_number() OVER ()',
    '(SELECT 1)',
  ]) {
    const [finding] = await checkRowExpression(checker, wrong, SCHEMA, at)
    assert.deepEqual([finding?.severity, finding?.path], ['error', at], wrong)
  }
})
