import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fits } from './type-fit.ts'

test('a type holds the values of those that are narrower, in the words of the servers', () => {
  for (const [wanted, is] of [
    ['INT', 'bigint(20)'],
    ['INT UNSIGNED', 'bigint(20)'],
    ['BIGINT UNSIGNED', 'bigint unsigned'],
    ['BOOLEAN', 'tinyint(1)'],
    ['boolean', 'boolean'],
    ['BIGINT UNSIGNED', 'decimal(20,0)'],
    ['numeric(12,2)', 'numeric(14,2)'],
    ['numeric(12,2)', 'numeric'],
    ['bigint', 'numeric'],
    ['DATETIME(3)', 'datetime(6)'],
    ['timestamp(3)', 'timestamp without time zone'],
    ['timestamp(6)', 'timestamp(6) without time zone'],
    ['timestamptz', 'timestamp with time zone'],
    ['VARCHAR(20)', 'varchar(40)'],
    ['LONGTEXT', 'longtext'],
    ['INT', 'text'],
    ['double precision', 'double precision'],
    ['LONGBLOB', 'longblob'],
  ] as const)
    assert.ok(fits(wanted, is), `${wanted} in ${is}`)
})

test('a type does not hold the values of wider ones, nor of other kinds', () => {
  for (const [wanted, is] of [
    ['BIGINT', 'int(11)'],
    ['INT', 'int unsigned'],
    ['INT UNSIGNED', 'int(11)'],
    ['BIGINT UNSIGNED', 'decimal(19,0)'],
    ['numeric(12,4)', 'numeric(14,2)'],
    ['numeric(14,2)', 'numeric(12,2)'],
    ['timestamp(6)', 'timestamp(3) without time zone'],
    ['DATETIME(6)', 'datetime'],
    ['timestamptz', 'timestamp without time zone'],
    ['LONGTEXT', 'varchar(255)'],
    ['VARCHAR(40)', 'varchar(20)'],
    ['text', 'integer'],
    ['date', 'text[]'],
    ['bytea', 'text'],
    ['double precision', 'numeric'],
  ] as const)
    assert.ok(!fits(wanted, is), `${wanted} in ${is}`)
})
