import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyLane, keyLaneSql, keyTextSql } from './key-groups.ts'
import { openLaneDatabase } from './lane-database.ts'

test('SQL and JavaScript find the same lane for every key', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 64 * 1024 * 1024 })
  const values = `(NULL, NULL), (0, ''), (-1, 'a'), (9223372036854775807, 'ü€😀'), (12, 'x' || chr(31) || 'y')`
  await database.run(`CREATE TEMP TABLE keys AS SELECT * FROM (VALUES ${values}) t(id, name)`)
  await database.run(`INSERT INTO keys SELECT i * 7919, 'name ' || i FROM range(500) t(i)`)
  for (const key of [['id'], ['name'], ['id', 'name']]) {
    for (const lanes of [1, 2, 3, 16]) {
      const rows = await database.run(`SELECT ${keyTextSql(key)}, ${keyLaneSql(key, lanes)} FROM keys`)
      assert.deepEqual(
        rows.map(([, lane]) => lane),
        rows.map(([text]) => keyLane(String(text), lanes)),
      )
      assert.deepEqual(
        [...new Set(rows.map(([, lane]) => Number(lane)))].toSorted((a, b) => a - b),
        Array.from({ length: lanes }, (_, lane) => lane),
      )
    }
  }
})

test('the lanes of known keys are those of version 1', () => {
  const texts = ['', 'abc', '7', '9223372036854775807', 'a\x1fb']
  assert.deepEqual(
    texts.map((text) => keyLane(text, 128)),
    [84, 16, 15, 21, 93],
  )
})
