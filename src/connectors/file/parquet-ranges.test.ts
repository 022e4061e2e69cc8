import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSourceFiles } from '../../testkit/source-files.ts'
import { openTableMaker } from '../../testkit/table-maker.ts'

const GROUP_ROWS = 2048

test('a large Parquet file is divided between row groups, so that lanes can share it', async () => {
  await using files = await openSourceFiles()
  await using maker = await openTableMaker()
  // Some 4 MB for each row group.
  const select = `SELECT i || repeat('x', 2000) AS a FROM range(${8 * GROUP_ROWS}) r(i)`
  await maker.write(join(files.root, 'a.parquet'), select, `ROW_GROUP_SIZE ${GROUP_ROWS}, COMPRESSION uncompressed`)
  const splits = await files.discover({ path: 'a.parquet' })
  const rows = splits.map(({ split, at, until }) => [split, at['row'], until?.['row']])
  assert.deepEqual(rows, [
    ['a.parquet@0', 0, 5 * GROUP_ROWS],
    [`a.parquet@${5 * GROUP_ROWS}`, 5 * GROUP_ROWS, 8 * GROUP_ROWS],
  ])
})

test('a small Parquet file is one split under its own name', async () => {
  await using files = await openSourceFiles()
  await using maker = await openTableMaker()
  await maker.write(join(files.root, 'a.parquet'), 'SELECT 1 AS a')
  const splits = await files.discover({ path: 'a.parquet' })
  assert.deepEqual(
    splits.map(({ split, until }) => [split, until?.['row']]),
    [['a.parquet', 1]],
  )
})
