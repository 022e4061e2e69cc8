import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from '../core/batch.ts'
import { MillraceError } from '../core/errors.ts'
import { openLaneDatabase, type LaneDatabase } from '../dataplane/index.ts'
import { testBatch } from '../testkit/bytes-batch.ts'
import { createOnDemandLookupOperator, type OnDemandLookupWork } from './on-demand-lookup.ts'
import type { LaneOperator } from './operator.ts'

const column = (name: string, type: string): OnDemandLookupWork['input'][number] => ({ name, type, nullable: true })

const WORK: OnDemandLookupWork = {
  id: 'named',
  input: [column('n', 'bigint'), column('user', 'bigint')],
  schema: [column('n', 'bigint'), column('user', 'bigint'), column('name', 'varchar')],
  on: [{ row: 'user', column: 'id' }],
  columns: [{ name: 'name', column: 'title' }],
  missing: 'null',
  table: {
    schema: [column('id', 'bigint'), column('title', 'varchar')],
    gives: { kind: 'bytes', format: 'json', separator: 0x0a },
    format: 'json',
  },
  onDemand: { cacheBytes: 1024 * 1024, ttlMs: 1000, missingTtlMs: 100, batchKeys: 3 },
}

/** A table that answers for keys, and says for which ones it was asked. */
class Lookup implements AsyncDisposable {
  readonly #database: LaneDatabase
  readonly #operator: LaneOperator
  now = 1
  asked: string[] = []
  table = new Map<string, string>()
  trouble: Error | undefined

  private constructor(database: LaneDatabase, work: OnDemandLookupWork) {
    this.#database = database
    this.#operator = createOnDemandLookupOperator(work, {
      baseDirectory: '/',
      database: () => Promise.resolve(database),
      now: () => this.now,
      sawEventTime: () => undefined,
      reader: {
        fetch: async (keys) => {
          if (this.trouble !== undefined) throw this.trouble
          this.asked.push(keys.flat().join())
          const lines = keys.flatMap(([key = '']) => {
            const title = this.table.get(key)
            return title === undefined ? [] : [`{"id":${key},"title":"${title}"}\n`]
          })
          const buffer = Buffer.from(lines.join(''))
          return { buffer, length: buffer.length, rows: lines.length }
        },
        close: async () => undefined,
      },
    })
  }

  static async open(table: Record<string, string>, parts: Partial<OnDemandLookupWork> = {}): Promise<Lookup> {
    const lookup = new Lookup(await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 }), { ...WORK, ...parts })
    lookup.table = new Map(Object.entries(table))
    await lookup.#operator.open()
    return lookup
  }

  /** `n:name` of what comes of rows with these users, numbered from 0. */
  async rows(users: readonly (number | null)[]): Promise<string[]> {
    const values = users.map((user, n) => `(${n}, ${user})`).join(', ')
    await this.#database.run(
      `CREATE OR REPLACE TEMP TABLE input AS SELECT n::BIGINT AS n, "user"::BIGINT AS "user" FROM (VALUES ${values}) v(n, "user")`,
    )
    const made: string[] = []
    const take = async (_: number, batch: Batch): Promise<void> => {
      assert.ok(batch.body.kind === 'table')
      const rows = await this.#database.run(`SELECT n, name FROM "${batch.body.relation}"`)
      assert.equal(batch.rows, rows.length)
      made.push(...rows.map((row) => row.join(':')))
      batch.release()
    }
    const input = testBatch(users.length, { kind: 'table', relation: 'input', schema: WORK.input })
    await this.#operator.process(input, { emit: take }).finally(() => assert.equal(input.releases, 1))
    return made
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#operator.close()
    await this.#database.close()
  }
}

test('keys of a batch are asked for together, each once, and what is known is not asked for again', async () => {
  await using lookup = await Lookup.open({ 1: 'Ann', 2: 'Bob', 5: 'Eve' })
  assert.deepEqual(await lookup.rows([2, 1, null, 2, 4, 5]), ['0:Bob', '1:Ann', '2:', '3:Bob', '4:', '5:Eve'])
  assert.deepEqual(
    new Set(lookup.asked.map((keys) => keys.split(',').length)),
    new Set([1, 3]),
    'three keys for one request',
  )
  assert.deepEqual(lookup.asked.join().split(',').sort(), ['1', '2', '4', '5'])
  lookup.asked = []
  assert.deepEqual(await lookup.rows([5, 4, 1]), ['0:Eve', '1:', '2:Ann'])
  assert.deepEqual(lookup.asked, [], 'also that there is no row for a key')
})

test('an answer counts for its time, one that there is nothing for a shorter one', async () => {
  await using lookup = await Lookup.open({ 1: 'Ann' })
  await lookup.rows([1, 2])
  lookup.table = new Map([
    ['1', 'Anna'],
    ['2', 'Bob'],
  ])
  lookup.asked = []
  lookup.now += 100
  assert.deepEqual(await lookup.rows([1, 2]), ['0:Ann', '1:Bob'])
  assert.deepEqual(lookup.asked, ['2'])
  lookup.now += 900
  assert.deepEqual(await lookup.rows([1, 2]), ['0:Anna', '1:Bob'])
})

test('the oldest answers go when there are too many bytes of them', async () => {
  const table = Object.fromEntries(Array.from({ length: 40 }, (_, id) => [id, 'x'.repeat(100)]))
  await using lookup = await Lookup.open(table, { onDemand: { ...WORK.onDemand, cacheBytes: 4000, batchKeys: 10 } })
  await lookup.rows([0])
  for (let id = 1; id < 40; id++) await lookup.rows([id])
  lookup.asked = []
  await lookup.rows([39, 38, 0])
  assert.deepEqual(lookup.asked, ['0'])
})

test('rows that find nothing are dropped or fail the job, as asked', async () => {
  await using dropping = await Lookup.open({ 1: 'Ann' }, { missing: 'drop' })
  assert.deepEqual(await dropping.rows([3, 1, null]), ['1:Ann'])
  await using failing = await Lookup.open({ 1: 'Ann' }, { missing: 'fail' })
  await assert.rejects(failing.rows([3, 1]), { code: 'POISON', message: /has nothing for the user of 1 rows/ })
})

test('an error of the table is that of the batch, and the next one asks again', async () => {
  await using lookup = await Lookup.open({ 1: 'Ann' })
  lookup.trouble = new MillraceError('the server is away', { code: 'UNAVAILABLE', retry: 'retry' })
  await assert.rejects(lookup.rows([1]), { code: 'UNAVAILABLE', retry: 'retry' })
  lookup.trouble = undefined
  assert.deepEqual(await lookup.rows([1]), ['0:Ann'])
})
