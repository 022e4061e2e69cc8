import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TableColumn } from '../../../core/changes.ts'
import { addColumn, createTable } from './table-ddl.ts'
import { sameType, targetType } from './target-type.ts'

const column = (type: string, length?: number): TableColumn => {
  return { name: 'c', type, nullable: true, ...(length === undefined ? {} : { length }) }
}

test('types of the source become types that hold all of their values', () => {
  const cases: readonly (readonly [type: string, starrocks: string, doris: string, length?: number])[] = [
    ['tinyint', 'TINYINT', 'TINYINT'],
    ['utinyint', 'SMALLINT', 'SMALLINT'],
    ['uinteger', 'BIGINT', 'BIGINT'],
    ['ubigint', 'LARGEINT', 'LARGEINT'],
    ['decimal(38,10)', 'DECIMAL(38,10)', 'DECIMAL(38,10)'],
    ['timestamp(3)', 'DATETIME', 'DATETIME(3)'],
    ['timestamp', 'DATETIME', 'DATETIME(6)'],
    ['timestamp with time zone', 'DATETIME', 'DATETIME(6)'],
    ['varchar', 'VARCHAR(80)', 'VARCHAR(80)', 20],
    ['varchar', 'VARCHAR(200000)', 'STRING', 50_000],
    ['varchar', 'STRING', 'STRING'],
    ['blob', 'STRING', 'STRING'],
    ['time', 'VARCHAR(20)', 'VARCHAR(20)'],
    ['json', 'JSON', 'JSON'],
    ['enum', 'STRING', 'STRING'],
  ]
  for (const [type, starrocks, doris, length] of cases) {
    assert.equal(targetType(column(type, length), false, 'starrocks'), starrocks, type)
    assert.equal(targetType(column(type, length), false, 'doris'), doris, type)
  }
})

test('keys are of types that can be keys, or refused', () => {
  assert.equal(targetType(column('decimal(20,0)'), true, 'starrocks'), 'VARCHAR(23)')
  assert.equal(targetType(column('varchar'), true, 'doris'), 'VARCHAR(65533)')
  for (const type of ['double', 'float', 'json'])
    assert.throws(() => targetType(column(type), true, 'starrocks'), { code: 'SCHEMA' })
})

test('the same type is recognised in the words of the servers', () => {
  for (const [left, right] of [
    ['DECIMAL(12,2)', 'decimal(12, 2)'],
    ['DECIMAL(12,2)', 'decimalv3(12,2)'],
    ['BIGINT', 'bigint(20)'],
    ['STRING', 'varchar(65533)'],
    ['STRING', 'text'],
    ['DATETIME(3)', 'datetimev2(3)'],
  ] as const)
    assert.ok(sameType(left, right), `${left} ${right}`)
  assert.ok(!sameType('VARCHAR(20)', 'varchar(40)'))
})

test('statements quote every name, with key columns in front', () => {
  const target = { database: 'my`db', table: 't' }
  const columns = [
    { name: 'a`b', type: 'varchar', nullable: true },
    { name: 'id', type: 'bigint', nullable: false },
  ]
  const shape = { id: 'd.t', database: 'd', name: 't', columns, key: ['id'], sequence: '__seq' }
  const making = { buckets: 4, properties: { replication_num: '1"' } }
  assert.equal(
    createTable(target, shape, { dialect: 'starrocks', ...making }),
    'CREATE TABLE IF NOT EXISTS `my``db`.`t` (`id` BIGINT NOT NULL, `a``b` STRING NULL) PRIMARY KEY (`id`) ' +
      'DISTRIBUTED BY HASH(`id`) BUCKETS 4 PROPERTIES ("replication_num" = "1\\"")',
  )
  assert.match(
    createTable(target, shape, { dialect: 'doris', ...making, buckets: undefined }),
    /UNIQUE KEY \(`id`\) DISTRIBUTED BY HASH\(`id`\) BUCKETS AUTO PROPERTIES \("enable_unique_key_merge_on_write" = "true", "function_column.sequence_type" = "bigint"/,
  )
  assert.equal(addColumn(target, column('integer'), 'doris'), 'ALTER TABLE `my``db`.`t` ADD COLUMN `c` INT NULL')
})
