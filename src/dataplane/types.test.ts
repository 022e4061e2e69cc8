import assert from 'node:assert/strict'
import { test } from 'node:test'
import { duckType, formatColumnType, parseColumnType } from './types.ts'

test('types are read in every spelling and written in one', () => {
  const cases: [string, string, string][] = [
    ['bigint', 'bigint', 'BIGINT'],
    ['INT8', 'bigint', 'BIGINT'],
    [' integer ', 'integer', 'INTEGER'],
    ['uhugeint', 'uhugeint', 'UHUGEINT'],
    ['string', 'varchar', 'VARCHAR'],
    ['varchar(255)', 'varchar', 'VARCHAR'],
    ['DECIMAL( 12 , 2 )', 'decimal(12,2)', 'DECIMAL(12,2)'],
    ['decimal(10)', 'decimal(10,0)', 'DECIMAL(10,0)'],
    ['numeric', 'decimal(18,3)', 'DECIMAL(18,3)'],
    ['double precision', 'double', 'DOUBLE'],
    ['timestamp', 'timestamp(6)', 'TIMESTAMP'],
    ['timestamp(0)', 'timestamp(0)', 'TIMESTAMP_S'],
    ['TIMESTAMP_MS', 'timestamp(3)', 'TIMESTAMP_MS'],
    ['timestamp(9)', 'timestamp(9)', 'TIMESTAMP_NS'],
    ['timestamp with time zone', 'timestamptz', 'TIMESTAMPTZ'],
  ]
  for (const [text, canonical, duck] of cases) {
    const type = parseColumnType(text)
    assert.equal(formatColumnType(type), canonical)
    assert.equal(duckType(type), duck)
    assert.deepEqual(parseColumnType(canonical), type)
  }
})

test('other types are refused with what to write', () => {
  const others = [
    '',
    'int[]',
    'struct(a int)',
    'map(int, int)',
    'interval',
    'decimal(39,2)',
    'decimal(2,3)',
    'decimal(0)',
  ]
  for (const text of [...others, 'timestamp(10)', 'bigint(20)', 'timetz', "x'; DROP", 'enum(a)']) {
    assert.throws(() => parseColumnType(text), { code: 'CONFIG' }, text)
  }
})
