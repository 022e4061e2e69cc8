/** Row groups that DuckDB wrote, with its statistics: what is left out must not hold a row that SQL finds. */
import assert from 'node:assert/strict'
import { mkdtempDisposable, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { bindWhere, parseWhere, type IcebergField } from '../../clients/iceberg/index.ts'
import { quoteText } from '../../dataplane/index.ts'
import { openLaneDatabase } from '../../dataplane/lane-database.ts'
import { readFooter } from '../../dataplane/parquet-source/index.ts'
import { IcebergMaker } from '../../testkit/iceberg-maker.ts'
import { OpenedIceberg } from '../../testkit/iceberg-tables.ts'
import { readSplits } from '../../testkit/read-splits.ts'
import { openTableMaker } from '../../testkit/table-maker.ts'
import { groupMayMatch } from './group-pruning.ts'

const FIELDS: readonly IcebergField[] = (
  [
    ['i', { kind: 'int' }],
    ['l', { kind: 'long' }],
    ['d', { kind: 'decimal', precision: 12, scale: 2 }],
    ['t', { kind: 'string' }],
    ['f', { kind: 'double' }],
    ['day', { kind: 'date' }],
    ['moment', { kind: 'timestamptz' }],
    ['n', { kind: 'long' }],
  ] as const
).map(([name, type], index) => ({ id: index + 1, name, required: false, type }))

const GROUP_ROWS = 2048
const GROUPS = 6
const SELECT = `SELECT CAST(r - 6000 AS INTEGER) AS i, r AS l, CAST(r / 10 AS DECIMAL(12,2)) AS d, 't' || lpad(CAST(r AS VARCHAR), 6, '0') AS t,
  CASE WHEN r = 7000 THEN 'NaN'::DOUBLE ELSE r / 2 END AS f, DATE '2024-01-01' + CAST(r // 100 AS INTEGER) AS day,
  TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_seconds(r) AS moment, CASE WHEN r < 2048 THEN NULL ELSE r END AS n
  FROM range(${GROUPS * GROUP_ROWS}) s(r)`

/** Conditions, and how many of the row groups are left. */
const CASES: readonly [where: string, groups: number][] = [
  ['i < -5000', 1],
  ['l >= 10240', 1],
  ['l IN (5, 12000)', 2],
  ['d = 300.50', 1],
  ["t > 't010240'", 1],
  // NaN may be anywhere, and SQL has it greater than everything.
  ['f > 6100', 6],
  // DuckDB writes no bounds where there is a NaN.
  ['f < 100', 2],
  ["day = '2024-01-02'", 1],
  ["moment >= '2024-01-01T02:50:40Z'", 1],
  ["moment < '2023-12-31T23:59:59Z'", 0],
  ['n IS NULL', 1],
  ['n IS NOT NULL', 5],
  ['n < 3000', 1],
  ['l < 100 OR l > 12000', 2],
  ['l < 100 AND l > 12000', 0],
  ['l <> 5', 6],
]

test('row groups are left out by their statistics, and never one that holds a row', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-groups-'))
  await using maker = await openTableMaker()
  const file = path.join(directory.path, 'f.parquet')
  const ids = FIELDS.map(({ name, id }) => `${name}: ${id}`).join(', ')
  await maker.write(file, SELECT, `FIELD_IDS {${ids}}, ROW_GROUP_SIZE ${GROUP_ROWS}`)
  const bytes = await readFile(file)
  const { footer } = await readFooter({
    name: file,
    size: bytes.length,
    read: async (from, to) => bytes.subarray(from, to),
  })
  assert.equal(footer.groups.length, GROUPS)
  await using database = await openLaneDatabase({ memoryLimitBytes: 64 * 1024 * 1024, readablePaths: [file] })
  for (const [text, groups] of CASES) {
    const where = bindWhere(parseWhere(text), FIELDS)
    const kept = new Set(footer.groups.filter((group) => groupMayMatch(where, footer, group)))
    assert.equal(kept.size, groups, text)
    const found = await database.run(
      `SELECT DISTINCT file_row_number // ${GROUP_ROWS} FROM read_parquet(${quoteText(file)}, file_row_number = true) WHERE ${text}`,
    )
    for (const [number] of found) assert.ok(kept.has(footer.groups[Number(number)] ?? assert.fail()), text)
  }
})

test('a condition that leaves row groups out gives its rows, wherever reading goes on', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-groups-'))
  await using maker = await IcebergMaker.create(directory.path, [{ name: 'id', type: 'long' }])
  const rows = GROUPS * GROUP_ROWS
  // The second file holds nothing of it.
  const selects = [`SELECT r AS id FROM range(${rows}) s(r)`, `SELECT -r AS id FROM range(1, ${rows}) s(r)`]
  await maker.append(selects, `ROW_GROUP_SIZE ${GROUP_ROWS}`)
  const where = 'id < 10 OR id = 5000 OR id IN (5001, 9000)'
  const table = { table: directory.path, relocated: false, where: `id >= 0 AND (${where})` }
  await using source = await OpenedIceberg.open(table)
  const wanted = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5000, 5001, 9000]
  const ids = (lines: readonly string[]): number[] => lines.map((line) => (JSON.parse(line) as { id: number }).id)
  const splits = await source.discover()
  for (const batches of [1, 2, 9]) {
    const first = source.reader()
    const before = await readSplits(first, splits, batches, source.rows)
    await first.close()
    const second = source.reader()
    const after = await readSplits(second, before.rest, Number.POSITIVE_INFINITY, source.rows)
    await second.close()
    assert.deepEqual(
      ids([...before.records, ...after.records]).sort((a, b) => a - b),
      wanted,
    )
  }
})
