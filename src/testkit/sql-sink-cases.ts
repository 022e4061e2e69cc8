import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MillraceError } from '../core/errors.ts'
import { SqlSinkLife } from './sql-sink-life.ts'
import { openSqlTarget, type AnySqlSink, type SqlTarget } from './sql-target.ts'

const TABLE = 'CREATE TABLE accounts (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, seen BIGINT)'
const ROWS = "SELECT 0::BIGINT AS id, ''::VARCHAR AS name, 0::BIGINT AS seen"
const CHANGES = `${ROWS}, 0::TINYINT AS __op`
const UPSERT = { table: 'accounts', key: ['id'] }
const STAGED = { ...UPSERT, mode: 'transactional' }

const refused = (code: string) => (error: unknown) => error instanceof MillraceError && error.code === code

async function accounts(target: SqlTarget): Promise<readonly (readonly (string | null)[])[]> {
  return await target.query('SELECT id, name, seen FROM accounts ORDER BY id, name')
}

export interface SqlServerLimits {
  /** False for a server that does not survive it when a connection is ended in a transaction. */
  readonly canKill?: boolean
}

/** What SQL sinks do with rows that meet, with other instances, and with tables that do not fit. On a real server. */
export function sqlSinkCases(
  name: string,
  serverUrl: string,
  connector: AnySqlSink,
  { canKill = true }: SqlServerLimits = {},
): void {
  const open = async (ddl: string = TABLE): Promise<SqlTarget> => {
    const target = await openSqlTarget(serverUrl)
    await target.query(ddl)
    return target
  }
  describe(`${name}: rows by key`, () => keyTests(open, connector))
  describe(`${name}: other instances`, () => instanceTests(open, connector))
  describe(`${name}: what does not fit`, () => refusalTests(open, connector))
  if (canKill) describe(`${name}: connections that end`, () => connectionTests(open, connector))
}

type Open = (ddl?: string) => Promise<SqlTarget>

function keyTests(open: Open, connector: AnySqlSink): void {
  for (const [mode, options] of Object.entries({ upsert: UPSERT, transactional: STAGED })) {
    test(`${mode}: of many changes of a key the last one stays, deletes too, in every size of page`, async () => {
      for (const pageRows of [1, 3, 1000]) {
        await using target = await open()
        await using life = await SqlSinkLife.begin(connector, target, { ...options, pageRows }, { rows: CHANGES })
        await life.load("SELECT range AS id, 'first' AS name, 1 AS seen, 0 AS __op FROM range(6)")
        await life.load(
          "SELECT range % 4 AS id, 'change ' || range AS name, range AS seen, 0 AS __op FROM range(40)",
          // So many that only the last of each key becomes text.
          "SELECT range % 4 AS id, 'hot ' || range AS name, range AS seen, 0 AS __op FROM range(2000)",
          "SELECT 2 AS id, 'gone' AS name, 0 AS seen, 1 AS __op UNION ALL SELECT 3, 'gone', 0, 1",
          "SELECT 3 AS id, 'again' AS name, 50 AS seen, 0 AS __op UNION ALL SELECT 5, 'gone', 0, 1",
        )
        assert.deepEqual(await accounts(target), [
          ['0', 'hot 1996', '1996'],
          ['1', 'hot 1997', '1997'],
          ['3', 'again', '50'],
          ['4', 'first', '1'],
        ])
      }
    })
  }

  test('of a key of several columns, rows that share one of them are told apart, deletes too', async () => {
    for (const mode of ['upsert', 'transactional']) {
      await using target = await open(
        'CREATE TABLE accounts (id BIGINT, name VARCHAR(40), seen BIGINT, PRIMARY KEY (id, name))',
      )
      const options = { table: 'accounts', key: ['id', 'name'], mode }
      await using life = await SqlSinkLife.begin(connector, target, options, { rows: CHANGES })
      await life.load(
        "SELECT range % 3 AS id, 'it''s (' || range // 3 AS name, range AS seen, 0 AS __op FROM range(9)",
        "SELECT 0 AS id, 'it''s (1' AS name, 0 AS seen, 1 AS __op UNION ALL SELECT 2, 'it''s (0', 0, 1",
      )
      await life.load("SELECT 1 AS id, 'it''s (2' AS name, 0 AS seen, 1 AS __op UNION ALL SELECT 0, 'it''s (1', 9, 0")
      assert.deepEqual(await accounts(target), [
        ['0', "it's (0", '0'],
        ['0', "it's (1", '9'],
        ['0', "it's (2", '6'],
        ['1', "it's (0", '1'],
        ['1', "it's (1", '4'],
        ['2', "it's (1", '5'],
        ['2', "it's (2", '8'],
      ])
    }
  })

  test('with a version, no replay moves a row back, and a row without one is replaced', async () => {
    await using target = await open()
    await target.query("INSERT INTO accounts VALUES (1, 'newer', 7), (2, 'unversioned', NULL)")
    await using life = await SqlSinkLife.begin(connector, target, { ...UPSERT, version: 'seen' }, { rows: ROWS })
    await life.load("SELECT 1 AS id, 'older' AS name, 6 AS seen UNION ALL SELECT 2, 'versioned', 1")
    assert.deepEqual(await accounts(target), [
      ['1', 'newer', '7'],
      ['2', 'versioned', '1'],
    ])
    await life.load("SELECT 1 AS id, 'same version' AS name, 7 AS seen")
    assert.deepEqual((await accounts(target))[0], ['1', 'same version', '7'])
  })

  test('a deadlock with somebody else is no error, whoever loses it', async () => {
    await using target = await open()
    await target.query("INSERT INTO accounts VALUES (1, 'first', 0), (5, 'fifth', 0)")
    await using life = await SqlSinkLife.begin(connector, target, { ...UPSERT, connections: 1 }, { rows: ROWS })
    await using other = await target.session()
    await other.query('BEGIN')
    await other.query('UPDATE accounts SET seen = 1 WHERE id = 5')
    await life.write("SELECT range AS id, 'ours' AS name, 2 AS seen FROM range(1, 10)")
    const written = life.cut()
    // Our page holds the first row by now, or soon will, and wants the fifth.
    await other.query('UPDATE accounts SET seen = 1 WHERE id = 1').catch(() => undefined)
    await other.query('ROLLBACK')
    await written
    assert.deepEqual(new Set((await accounts(target)).map(([, name, seen]) => `${name} ${seen}`)), new Set(['ours 2']))
  })

  test('rows that do not fill a page are sent when it is time', async () => {
    await using target = await open()
    await using life = await SqlSinkLife.begin(connector, target, { ...UPSERT, flushInterval: '10ms' }, { rows: ROWS })
    await life.write("SELECT 1 AS id, 'early' AS name, 0 AS seen")
    while ((await accounts(target)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  })

  test('a table that is missing is created with columns that hold the rows', async () => {
    await using target = await open()
    const rows = `${ROWS}, 1.5::DECIMAL(38,10) AS amount, TIMESTAMP '2026-01-01 00:00:00.123456' AS at`
    const options = { ...STAGED, table: 'made', createTable: true }
    await using life = await SqlSinkLife.begin(connector, target, options, { rows })
    await life.load(rows)
    const [row] = await target.query('SELECT id, amount, at FROM made')
    assert.deepEqual(row, ['0', '1.5000000000', '2026-01-01 00:00:00.123456'])
  })
}

function instanceTests(open: Open, connector: AnySqlSink): void {
  test('a late write of an older instance changes nothing and ends it', async () => {
    await using target = await open()
    await using old = await SqlSinkLife.begin(connector, target, UPSERT, { rows: ROWS })
    await old.load("SELECT 1 AS id, 'old' AS name, 0 AS seen")
    await old.write("SELECT 1 AS id, 'late' AS name, 0 AS seen")
    await using own = await SqlSinkLife.begin(connector, target, UPSERT, { rows: ROWS, epoch: 2, checkpoint: 2 })
    await own.load("SELECT 1 AS id, 'new' AS name, 0 AS seen")
    await assert.rejects(old.cut(), refused('FENCED'))
    assert.deepEqual(await accounts(target), [['1', 'new', '0']])
  })

  test('a checkpoint that was staged by one process is applied by another one, once', async () => {
    await using target = await open('CREATE TABLE accounts (id BIGINT, name VARCHAR(40), seen BIGINT)')
    const options = { table: 'accounts', pageRows: 3 }
    await using old = await SqlSinkLife.begin(connector, target, options, { rows: ROWS })
    await old.write("SELECT range AS id, 'row' AS name, 0 AS seen FROM range(20)")
    const staged = await old.cut()
    await using own = await SqlSinkLife.begin(connector, target, options, { rows: ROWS, epoch: 2, checkpoint: 2 })
    await assert.rejects(old.commit(staged), refused('FENCED'))
    assert.deepEqual(await Promise.all([own.commit(staged), own.commit(staged)]), [
      ['committed'],
      ['already-committed'],
    ])
    assert.deepEqual(await old.commit(staged), ['already-committed'])
    assert.equal((await accounts(target)).length, 20)
  })

  test('in pieces, the first attempt may die anywhere: the next one goes on', async () => {
    await using target = await open('CREATE TABLE accounts (id BIGINT, name VARCHAR(40), seen BIGINT)')
    const options = { table: 'accounts', apply: 'chunks' }
    await using old = await SqlSinkLife.begin(connector, target, options, { rows: ROWS })
    await old.write("SELECT range AS id, 'row' AS name, 0 AS seen FROM range(200)")
    const staged = await old.cut()
    const first = old.commit(staged).catch(() => undefined)
    // As soon as something is visible the connections of the first attempt are cut.
    while ((await accounts(target)).length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    await using own = await SqlSinkLife.begin(connector, target, options, { rows: ROWS, epoch: 2, checkpoint: 2 })
    await own.commit(staged)
    await first
    assert.equal((await accounts(target)).length, 200)
    assert.equal(new Set((await accounts(target)).map(([id]) => id)).size, 200)
  })
}

function refusalTests(open: Open, connector: AnySqlSink): void {
  const findings = async (ddl: string, options: Readonly<Record<string, unknown>>, rows = ROWS): Promise<string[]> => {
    await using target = await open(TABLE)
    await target.query(ddl)
    await using life = await SqlSinkLife.begin(connector, target, { ...options, createTable: true }, { rows })
    return (await life.check()).filter(({ severity }) => severity === 'error').map(({ message }) => message)
  }

  test('a check names columns, keys and precision that do not fit', async () => {
    const other = `${TABLE.replace('accounts', 'other')}`
    assert.deepEqual(await findings(other, { table: 'other', key: ['id'] }), [])
    const twoKeys = other.replace('seen BIGINT', 'seen BIGINT UNIQUE')
    assert.match((await findings(twoKeys, { table: 'other', key: ['id'] })).join(), /other unique keys/)
    assert.match(
      (await findings(other, { table: 'other', key: ['seen'] })).join(),
      /no primary or unique key of exactly seen/,
    )
    const coarse = other.replace('seen BIGINT', 'seen DECIMAL(10,1)')
    const rows = ROWS.replace('0::BIGINT AS seen', '0.25::DECIMAL(10,2) AS seen')
    assert.match((await findings(coarse, { table: 'other', key: ['id'] }, rows)).join(), /would be rounded/)
    const strict = other.replace('seen BIGINT', 'seen BIGINT, more INT NOT NULL')
    assert.match((await findings(strict, { table: 'other', key: ['id'] })).join(), /more .* must have a value/)
  })

  test('NULL where the table takes none stops the checkpoint before it is published', async () => {
    for (const rows of [ROWS, CHANGES]) {
      await using target = await open()
      await using life = await SqlSinkLife.begin(connector, target, STAGED, { rows })
      const more = rows === CHANGES ? ', 0 AS __op' : ''
      const loading = async (): Promise<unknown> => {
        await life.write(`SELECT 1 AS id, NULL AS name, 0 AS seen${more}`)
        return await life.cut()
      }
      await assert.rejects(loading(), refused('POISON'))
    }
  })

  test('a key that is NULL, and a text that is too long, are refused without their values', async () => {
    await using target = await open()
    await using life = await SqlSinkLife.begin(connector, target, UPSERT, { rows: ROWS })
    await assert.rejects(life.write("SELECT NULL AS id, 'a' AS name, 0 AS seen"), refused('POISON'))
    const loading = async (): Promise<unknown> => {
      await life.write("SELECT 1 AS id, repeat('secret', 10) AS name, 0 AS seen")
      return await life.cut()
    }
    await assert.rejects(loading(), (error: unknown) => {
      assert.doesNotMatch(String(error), /secret/)
      return refused('POISON')(error)
    })
    assert.deepEqual(await accounts(target), [])
  })
}

function connectionTests(open: Open, connector: AnySqlSink): void {
  test('an older instance that stands still inside a transaction holds nobody up', async () => {
    await using target = await open()
    await using old = await SqlSinkLife.begin(connector, target, { ...UPSERT, connections: 1 }, { rows: ROWS })
    await old.load("SELECT 1 AS id, 'old' AS name, 0 AS seen")
    // A connection that claims to be the older instance's, and has just begun a page.
    await using paused = await target.session()
    const [[id] = []] = await paused.query(`SELECT ${target.kind === 'mysql' ? 'CONNECTION_ID()' : 'pg_backend_pid()'}`)
    await target.query(`UPDATE millrace_control SET session = '${id}' WHERE slot = 0`)
    await paused.query('BEGIN')
    await paused.query('SELECT epoch FROM millrace_control WHERE slot = 0 FOR UPDATE')
    await using own = await SqlSinkLife.begin(connector, target, UPSERT, { rows: ROWS, epoch: 2, checkpoint: 2 })
    await own.load("SELECT 1 AS id, 'new' AS name, 0 AS seen")
    assert.deepEqual(await accounts(target), [['1', 'new', '0']])
    await assert.rejects(paused.query('COMMIT'))
  })

  test('a connection that the server ends is replaced, and no row is missing', async () => {
    await using target = await open()
    await using life = await SqlSinkLife.begin(connector, target, { ...UPSERT, pageRows: 50 }, { rows: ROWS })
    const sessions = "SELECT session FROM millrace_control WHERE slot >= 0 AND session <> ''"
    for (let turn = 0; turn < 4; turn++) {
      await life.write(`SELECT ${turn} * 1000 + range AS id, 'row' AS name, 0 AS seen FROM range(1000)`)
      for (const [session] of await target.query(sessions)) {
        const kill = target.kind === 'mysql' ? `KILL ${session}` : `SELECT pg_terminate_backend(${session})`
        await target.query(kill).catch(() => undefined)
      }
    }
    await life.cut()
    assert.equal((await accounts(target)).length, 4000)
  })
}
