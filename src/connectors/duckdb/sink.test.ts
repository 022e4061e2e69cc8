import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import type { CommitPermit } from '../../core/checkpoint-types.ts'
import type { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/index.ts'
import { testCoordinatorContext, testLaneContext } from '../../testkit/lane-context.ts'
import { duckdbSinkOptions } from './options.ts'
import { DuckdbSink } from './sink.ts'

const permit = (checkpoint: number, epoch: number): CommitPermit => ({ checkpoint, epoch }) as CommitPermit

/** A database file, and one lane that writes to it checkpoint by checkpoint. */
class World implements AsyncDisposable {
  readonly #directory: string
  readonly #remove: () => Promise<void>
  readonly #lane: LaneDatabase
  readonly #schema: Schema
  readonly #sink: DuckdbSink
  #checkpoint = 0

  private constructor(
    made: { path: string; remove(): Promise<void> },
    lane: LaneDatabase,
    schema: Schema,
    more: object,
  ) {
    this.#directory = made.path
    this.#remove = () => made.remove()
    this.#lane = lane
    this.#schema = schema
    this.#sink = new DuckdbSink(duckdbSinkOptions.parse({ path: 'file.duckdb', table: 'rows', ...more }))
  }

  static async open(schema: Schema, more: object = {}): Promise<World> {
    const made = await mkdtempDisposable(join(tmpdir(), 'millrace-duckdb-'))
    return new World(made, await openLaneDatabase({ memoryLimitBytes: 64 * 2 ** 20 }), schema, more)
  }

  /** One checkpoint of a lane, committed; each SELECT is a batch. */
  async put(...selects: string[]): Promise<void> {
    const baseDirectory = this.#directory
    const coordinator = this.#sink.coordinator(testCoordinatorContext({ baseDirectory, schema: this.#schema }))
    const lane = { baseDirectory, schema: this.#schema, database: async () => this.#lane }
    const writer = this.#sink.writer(testLaneContext(lane))
    const checkpoint = ++this.#checkpoint
    try {
      writer.begin(checkpoint, await coordinator.begin(checkpoint, checkpoint))
      for (const select of selects) {
        await this.#lane.run(`CREATE OR REPLACE TEMP TABLE batch AS ${select}`)
        const [[rows] = []] = await this.#lane.run('SELECT count(*) FROM batch')
        const body = { kind: 'table', relation: 'batch', schema: this.#schema } as const
        const common = { kind: 'batch', split: 's', from: {}, next: {}, bytes: 1, release: () => undefined } as const
        await writer.write({ ...common, body, rows: Number(rows) })
      }
      const next = { checkpoint: checkpoint + 1, ticket: await coordinator.begin(checkpoint + 1, checkpoint) }
      const { committables } = await writer.cut(next)
      const [all] = await coordinator.combine(checkpoint, committables)
      if (all === undefined) return
      assert.deepEqual(await coordinator.commit(permit(checkpoint, checkpoint), all.committable), {
        outcome: 'committed',
      })
      assert.deepEqual(await coordinator.commit(permit(checkpoint, checkpoint), all.committable), {
        outcome: 'already-committed',
      })
    } finally {
      await writer.close()
      await coordinator.close()
    }
  }

  /** As another program does it. */
  async query(sql: string): Promise<unknown[][]> {
    const instance = await DuckDBInstance.create(join(this.#directory, 'file.duckdb'))
    const connection = await instance.connect()
    try {
      await connection.run(`SET TimeZone = 'UTC'`)
      return (await connection.runAndReadAll(sql)).getRowsJson()
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lane.close()
    await this.#remove()
  }
}

test('values of every type come out as they went in', async () => {
  const values: Readonly<Record<string, string>> = {
    boolean: 'true',
    tinyint: '-128',
    ubigint: '18446744073709551615',
    hugeint: '-170141183460469231731687303715884105728',
    uhugeint: '340282366920938463463374607431768211455',
    'decimal(38,10)': '-1234567890123456789012345678.0123456789',
    double: '1.5e300',
    float: '1.25',
    varchar: 'a\u4e16"\n',
    json: '{"a":[1,"b"]}',
    blob: 'abc',
    uuid: '00000000-0000-4000-8000-0000000000ff',
    date: '0001-01-01',
    time: '23:59:59.999999',
    timestamp: '2026-11-21 01:02:03.000004',
    timestamp_ns: '2026-11-21 01:02:03.000000004',
    'timestamp with time zone': '2026-11-21 01:02:03.000004+00',
  }
  const schema = Object.keys(values).map((type, at) => ({ name: `c${at}`, type, nullable: true }))
  await using world = await World.open(schema)
  const row = schema.map(({ name, type }) => `CAST('${values[type]}' AS ${type}) AS ${name}`).join(', ')
  const nulls = schema.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${name}`).join(', ')
  await world.put(`SELECT ${row}`, `SELECT ${nulls}`)
  const same = schema.map(({ name, type }) => `${name} IS NOT DISTINCT FROM CAST('${values[type]}' AS ${type})`)
  assert.deepEqual(await world.query(`SELECT ${same.join(', ')} FROM rows WHERE c0`), [schema.map(() => true)])
  assert.deepEqual(await world.query('SELECT * FROM rows WHERE c0 IS NULL'), [schema.map(() => null)])
})

const KEYED: Schema = [
  { name: 'id', type: 'integer', nullable: true },
  { name: 'value', type: 'varchar', nullable: true },
  { name: '__op', type: 'tinyint', nullable: false },
]
const change = fc.record({ id: fc.option(fc.nat(5), { nil: null }), value: fc.nat(99), isGone: fc.boolean() })
const checkpoints = fc.array(fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), { maxLength: 3 }), {
  maxLength: 4,
})

for (const made of ['by the sink', 'by somebody, with a primary key'] as const) {
  test(`of equal keys the last row counts, in batches and checkpoints; tables that were made ${made}`, async () => {
    const hasKey = made !== 'by the sink'
    await fc.assert(
      fc.asyncProperty(checkpoints, async (all) => {
        await using world = await World.open(KEYED, { key: 'id' })
        if (hasKey) await world.query('CREATE TABLE rows (id INTEGER PRIMARY KEY, value VARCHAR)')
        const expected = new Map<number | null, string>()
        for (const batches of all) {
          const usable = batches
            .map((batch) => batch.filter(({ id }) => !hasKey || id !== null))
            .filter((b) => b.length > 0)
          for (const { id, value, isGone } of usable.flat()) {
            if (isGone) expected.delete(id)
            else expected.set(id, String(value))
          }
          const rows = usable.map((batch) =>
            batch.map(({ id, value, isGone }) => `(${id}, '${value}', ${isGone ? 1 : 0})`).join(', '),
          )
          await world.put(...rows.map((row) => `SELECT * FROM (VALUES ${row}) AS r(id, value, __op)`))
        }
        if (all.length === 0 && !hasKey) return
        const sorted = [...expected].toSorted(([one], [other]) => (one ?? 99) - (other ?? 99))
        assert.deepEqual(await world.query('SELECT id, value FROM rows ORDER BY id NULLS LAST'), sorted)
      }),
      { numRuns: 6 },
    )
  })
}

test('a row that does not fit halts without its value, and nothing of its checkpoint is there', async () => {
  await using world = await World.open([{ name: 'id', type: 'integer', nullable: true }])
  await world.query('CREATE TABLE rows (id INTEGER CHECK (id < 10))')
  await world.put('SELECT 1 AS id')
  await assert.rejects(world.put('SELECT * FROM (VALUES (2), (4711)) AS r(id)'), (error: MillraceError) => {
    assert.deepEqual([error.code, error.retry], ['SCHEMA', 'halt'])
    assert.doesNotMatch(error.message, /4711/)
    return true
  })
  assert.deepEqual(await world.query('SELECT id FROM rows'), [[1]])
})

test('a table that lacks a column, or has another unique key, is refused with what to do', async () => {
  await using world = await World.open(KEYED, { key: 'id' })
  await world.query('CREATE TABLE rows (id INTEGER)')
  await assert.rejects(world.put('SELECT 1'), { code: 'SCHEMA', message: /no column value: add it/ })
  await world.query('CREATE OR REPLACE TABLE rows (id INTEGER, value VARCHAR UNIQUE)')
  await assert.rejects(world.put('SELECT 1'), { code: 'SCHEMA', message: /unique key \(value\)/ })
})
