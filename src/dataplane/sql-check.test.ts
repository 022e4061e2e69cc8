import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openLaneDatabase, type LaneDatabase } from './lane-database.ts'
import { checkExpression, checkSql, type SqlCheck } from './sql-check.ts'
import { formatColumnType, parseColumnType, type Column } from './types.ts'

let database: LaneDatabase
before(async () => {
  database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
})
after(() => database.close())

const COLUMNS: Column[] = Object.entries({
  id: 'bigint',
  ts: 'timestamp(3)',
  name: 'varchar',
  amount: 'decimal(12,2)',
  tags: 'json',
}).map(([name, type]) => ({ name, type: parseColumnType(type), nullable: true }))
const HIDDEN: Column[] = [{ name: '_offset', type: parseColumnType('bigint'), nullable: false }]

function check(sql: string): Promise<SqlCheck> {
  return checkSql(database, { name: 'clicks', columns: COLUMNS, hidden: HIDDEN }, sql)
}

/** The accepted SQL's output and the columns it uses, as text. */
async function accepted(sql: string): Promise<string> {
  const result = await check(sql)
  assert.ok(result.ok, `${sql}: ${JSON.stringify(result)}`)
  const columns = result.columns.map(({ name, type }) => `${name} ${formatColumnType(type)}`)
  return `${columns.join(', ')} <- ${result.uses.join(', ')}`
}

async function refused(sql: string, named: RegExp): Promise<void> {
  const result = await check(sql)
  assert.ok(!result.ok, `${sql} was accepted`)
  const text = result.findings.map(({ message, hint }) => `${message} -> ${hint}`).join('\n')
  assert.match(text, named, sql)
}

test('row-wise SQL is accepted with its output columns and the input columns it uses', async () => {
  assert.equal(
    await accepted('SELECT id, ts, upper(name) AS event, amount FROM clicks WHERE amount > 0;'),
    'id bigint, ts timestamp(3), event varchar, amount decimal(12,2) <- id, ts, name, amount',
  )
  assert.equal(await accepted('SELECT c.ID + 1 AS "next" FROM clicks c -- done'), 'next bigint <- id')
  assert.equal(await accepted('FROM clicks SELECT _offset'), '_offset bigint <- _offset')
  assert.equal(
    await accepted(`SELECT CASE WHEN name LIKE 'a%' THEN 1 ELSE 2 END AS k, tags->>'$.a' AS a FROM Clicks`),
    'k integer, a varchar <- name, tags',
  )
  assert.equal(await accepted('SELECT n FROM (SELECT id AS n FROM clicks) q WHERE n > 1'), 'n bigint <- id')
  assert.equal(await accepted('WITH q AS (SELECT id FROM clicks) SELECT id FROM q'), 'id bigint <- id')
  assert.match(await accepted('SELECT * EXCLUDE (tags) FROM clicks'), /^id bigint, .* <- id, ts, name, amount, tags$/)
  assert.equal(
    await accepted("SELECT list_sum([id, 1]) AS s, nullif(name, '') AS n FROM clicks"),
    's hugeint, n varchar <- id, name',
  )
  assert.equal(await accepted('SELECT id AS a, a + 1 AS b FROM clicks'), 'a bigint, b bigint <- id')
})

test('everything that looks beyond one row is refused by name', async () => {
  await refused('SELECT sum(amount) AS s FROM clicks', /aggregate sum\(\)/)
  await refused('SELECT count(*) FILTER (id > 1) AS s FROM clicks', /aggregate count/)
  await refused('SELECT DISTINCT id FROM clicks', /DISTINCT.*deduplicate/)
  await refused('SELECT id FROM clicks GROUP BY id', /GROUP BY/)
  await refused('SELECT id FROM clicks GROUP BY ALL', /GROUP BY/)
  await refused('SELECT 1 AS one FROM clicks HAVING true', /HAVING/)
  await refused('SELECT row_number() OVER () AS n FROM clicks', /window function row_number/)
  await refused('SELECT id FROM clicks QUALIFY row_number() OVER () = 1', /QUALIFY/)
  await refused('SELECT id FROM clicks ORDER BY id', /ORDER BY/)
  await refused('SELECT id FROM clicks LIMIT 1', /LIMIT/)
  await refused('SELECT id FROM clicks LIMIT 10%', /LIMIT/)
  await refused('SELECT id FROM clicks USING SAMPLE 10%', /SAMPLE/)
  await refused('SELECT id FROM clicks TABLESAMPLE 10%', /SAMPLE/)
  await refused('SELECT id FROM clicks UNION ALL SELECT id FROM clicks', /UNION/)
  await refused('SELECT a.id FROM clicks a, clicks b', /join/)
  await refused('SELECT (SELECT max(id) FROM clicks) AS m FROM clicks', /subquery/)
  await refused('SELECT id FROM clicks WHERE id IN (SELECT 1)', /subquery/)
  await refused('SELECT unnest([id, id]) AS x FROM clicks', /unnest/)
  await refused('SELECT x FROM (SELECT sum(id) AS x FROM clicks)', /aggregate sum/)
  await refused('WITH q AS (SELECT count(*) AS n FROM clicks) SELECT n FROM q', /aggregate count/)
  await refused('SELECT 1 AS one', /without FROM/)
  await refused('SELECT list_transform([id], x -> random()) AS r FROM clicks', /random/)
})

test('other relations, files and table functions are refused', async () => {
  await refused('SELECT id FROM orders', /reading "orders" .*offers "clicks"/)
  await refused(`SELECT * FROM '/etc/passwd'`, /reading "\/etc\/passwd"/)
  await refused('SELECT * FROM main.clicks', /reading "clicks"/)
  await refused('SELECT * FROM duckdb_settings()', /table function/)
  await refused(`SELECT * FROM read_csv('/etc/passwd')`, /table function/)
  await refused("SELECT id FROM clicks) TO '/tmp/x' (FORMAT csv", /syntax error/)
  await refused('DROP TABLE clicks', /Only SELECT/)
  await refused('SELECT id FROM clicks; SELECT id FROM clicks', /2 statements/)
  await refused('', /statement/)
})

test('functions that give another value each time are refused', async () => {
  for (const call of [
    'random()',
    'uuid()',
    'now()',
    'current_timestamp',
    'current_date',
    'current_time',
    'localtimestamp',
    'today()',
    'age(ts)',
    `current_setting('threads')`,
    `getvariable('x')`,
    `nextval('s')`,
    'current_user',
    'version()',
    'txid_current()',
    'ago(INTERVAL 1 DAY)',
  ]) {
    const name = /^[a-z_]+/.exec(call)?.[0] ?? ''
    await refused(
      `SELECT ${call} AS v FROM clicks`,
      new RegExp(`function (get_)?(${name}|current_localtimestamp|timestamp)`),
    )
  }
  await refused(`SELECT getenv('HOME') AS v FROM clicks`, /getenv/)
  await refused('SELECT $1 AS v FROM clicks', /parameter/)
})

test('what does not bind is told in the words of DuckDB, and what cannot travel with the way out', async () => {
  await refused('SELECT idd FROM clicks', /"idd" not found.*id/s)
  await refused('SELECT id, id FROM clicks', /.+/)
  await refused('SELECT [id] AS list FROM clicks', /BIGINT\[\].*to_json/)
  await refused('SELECT id + name AS x FROM clicks', /.+/)
})

test('an expression is one row-wise expression', async () => {
  const input = { name: 'clicks', columns: COLUMNS, hidden: HIDDEN }
  const good = await checkExpression(database, input, 'amount > 0 AND _offset % 2 = 0 -- even')
  assert.ok(good.ok)
  assert.deepEqual(good.uses, ['amount', '_offset'])
  assert.deepEqual(
    good.columns.map(({ type }) => type.kind),
    ['boolean'],
  )
  for (const bad of [
    'id, name',
    '1) AS a, (2',
    'sum(id)',
    'id) AS value FROM clicks WHERE (id > 1',
    'random() > 0.5',
    '',
  ]) {
    const result = await checkExpression(database, input, bad)
    assert.equal(result.ok, false, bad)
  }
})
