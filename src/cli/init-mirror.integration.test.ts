import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase } from '../../scripts/services/databases.ts'
import { openSqlTarget, type SqlTarget } from '../testkit/sql-target.ts'
import { draftMirror } from './init-mirror.ts'

function addressOf({ url, username }: SqlTarget): string {
  return url.replace('://', `://${username}@`)
}

test('what stands in the way is told before anything is written: in the target, and on the servers', async () => {
  await using mysql = await useDatabase('mysql')
  await using postgres = await useDatabase('postgres')
  await using source = await openSqlTarget(mysql.url)
  await using target = await openSqlTarget(postgres.url)
  await source.query('CREATE TABLE a (id bigint PRIMARY KEY, word varchar(10))')
  await source.query('CREATE TABLE b (part varchar(9), id bigint, PRIMARY KEY (part, id))')
  await source.query('CREATE TABLE c (id bigint PRIMARY KEY)')
  await target.query('CREATE TABLE a (id bigint, word text, UNIQUE (word))')
  await target.query('CREATE TABLE b (id bigint, part text, PRIMARY KEY (id, part))')
  const environment = { MYSQL_PASSWORD: source.password, TARGET_PASSWORD: target.password }
  const { told, text } = await draftMirror('shop', addressOf(source), addressOf(target), environment)
  assert.deepEqual(told, [
    '3 tables, about 0 rows.',
    'These tables of the target are there already, and will be written to: public.a, public.b.',
    'On the target: public.a is there without a unique key of exactly (id), the source’s; drop it, or add one.',
  ])
  for (const line of told) assert.ok(text.includes(`# - ${line}\n`), line)

  const back = draftMirror('shop', addressOf(source), addressOf(source), {
    ...environment,
    TARGET_PASSWORD: source.password,
  })
  await assert.rejects(back, { code: 'CONFIG', message: /would read its own rows for ever/ })
  const missing = addressOf(source).replace(/[^/]+$/, 'not_there')
  const found = await draftMirror('shop', addressOf(source), missing, {
    ...environment,
    TARGET_PASSWORD: source.password,
  })
  assert.deepEqual(found.told.slice(1), ['On the target: the database is missing: CREATE DATABASE `not_there`.'])
  await assert.rejects(draftMirror('shop', addressOf(source), 'tidb://db', {}), {
    code: 'CONFIG',
    message: /name the database/,
  })
})
