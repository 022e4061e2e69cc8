import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keyGroupsOf } from '../dataplane/key-groups.ts'
import { openLaneDatabase, type LaneDatabase } from '../dataplane/index.ts'
import { KeyedTable } from './keyed-table.ts'

const MIB = 1024 * 1024
const COLUMNS = [
  { name: 'k', type: 'VARCHAR' },
  { name: 'n', type: 'HUGEINT' },
  { name: 'd', type: 'DECIMAL(38,0)' },
  { name: 'j', type: 'JSON' },
  { name: 'l', type: 'VARCHAR[]' },
  { name: 't', type: 'TIMESTAMP_MS' },
]
const KEY = ['"k"']

async function open(database: LaneDatabase, step: string): Promise<KeyedTable> {
  const table = new KeyedTable({ step, columns: COLUMNS, identity: KEY, group: KEY }, database)
  await table.clear()
  return table
}

const ROWS =
  `VALUES ('a', '-170141183460469231731687303715884105728'::HUGEINT, 99999999999999999999999999999999999999::DECIMAL(38,0), ` +
  `'{"x": 1.10}'::JSON, ['', NULL, 'é'], TIMESTAMP_MS '1969-12-31 23:59:59.999'), ` +
  `(NULL, 1, -1, NULL, [], NULL), ('b', NULL, NULL, 'null', NULL, TIMESTAMP_MS '9999-12-31 00:00:00')`

test('what is saved comes back as it was, whatever its type, and a key may be NULL', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 64 * MIB })
  const table = await open(database, 'one')
  await table.insert(ROWS)
  const other = await open(database, 'other')
  await other.load((await table.saveAll()).bytes, undefined)
  const all = (of: KeyedTable): Promise<unknown[][]> => database.run(`SELECT * FROM ${of.table} ORDER BY k NULLS FIRST`)
  assert.deepEqual(await all(other), await all(table))
  const change = `SELECT * REPLACE (7 AS n) FROM ${table.table} WHERE k IS NULL`
  const { bytes, rows } = await table.save(change, `SELECT * FROM ${table.table} WHERE k = 'a'`)
  assert.equal(rows, 2)
  await other.load(bytes, undefined)
  const found = await database.run(`SELECT k, n FROM ${other.table} ORDER BY k NULLS FIRST`)
  assert.deepEqual(found, [
    [null, 7n],
    ['b', null],
  ])
  assert.equal(other.rows, 2)
})

test('a lane loads the rows of its key groups only, and all lanes together load all of them', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 64 * MIB })
  const table = await open(database, 'whole')
  await table.insert(`SELECT 'key ' || range, range, NULL, NULL, NULL, NULL FROM range(1000)`)
  const { bytes } = await table.saveAll()
  const counts: number[] = []
  for (let lane = 0; lane < 3; lane++) {
    const part = await open(database, `lane ${lane}`)
    await part.load(bytes, keyGroupsOf(lane, 3))
    counts.push(part.rows)
  }
  assert.equal(counts[0] === 0 || counts[1] === 0 || counts[2] === 0, false)
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    1000,
  )
})

test('more rows than memory holds go to disk, and deleted ones do not stay', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'millrace-spill-test-'))
  await using database = await openLaneDatabase({
    memoryLimitBytes: 24 * MIB,
    tempDirectory: join(directory.path, 'spill'),
  })
  const table = await open(database, 'large')
  const rows = `SELECT 'a key of some forty characters, ' || range, range AS n, 1, NULL, ['x'], NULL FROM range(300000)`
  await table.insert(rows)
  for (let turn = 0; turn < 3; turn++) {
    await table.delete(`n % 3 = ${turn}`)
    await table.insert(`SELECT * FROM (${rows}) WHERE n % 3 = ${turn}`)
  }
  assert.equal(table.rows, 300_000)
  const [[count, sum] = []] = await database.run(`SELECT count(*), sum(n) FROM ${table.table}`)
  assert.deepEqual([count, sum], [300_000n, (300_000n * 299_999n) / 2n])
})
