import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from '../core/batch.ts'
import { openLaneDatabase, type LaneDatabase } from '../dataplane/index.ts'
import { bytesBatch, testBatch } from '../testkit/bytes-batch.ts'
import { createLookupOperator, type LookupWork } from './lookup.ts'
import type { LaneOperator } from './operator.ts'

const column = (name: string, type: string): LookupWork['input'][number] => ({ name, type, nullable: true })

const WORK: LookupWork = {
  id: 'named',
  input: [column('n', 'bigint'), column('user', 'bigint')],
  schema: [column('n', 'bigint'), column('user', 'bigint'), column('name', 'varchar')],
  on: [{ row: 'user', column: 'id' }],
  columns: [{ name: 'name', column: 'title' }],
  missing: 'null',
  table: {
    schema: [column('id', 'bigint'), column('title', 'varchar'), column('other', 'varchar')],
    gives: { kind: 'bytes', format: 'json', separator: 0x0a },
    format: 'json',
  },
}

/** An operator whose table is what the test says that it is. */
class Lookup implements AsyncDisposable {
  readonly #database: LaneDatabase
  readonly #operator: LaneOperator
  readonly complaints: string[] = []
  now = 0
  reads = 0
  table: string[]

  private constructor(database: LaneDatabase, work: LookupWork, table: string[]) {
    this.#database = database
    this.table = table
    this.#operator = createLookupOperator(work, {
      baseDirectory: '/',
      database: () => Promise.resolve(database),
      now: () => this.now,
      sawEventTime: () => undefined,
      stays: (why) => this.complaints.push(why),
      readTable: async (take) => {
        this.reads++
        if (this.table[0] === 'broken') throw new Error('the server is away')
        for (const row of this.table) await take(bytesBatch([row]))
      },
    })
  }

  static async open(table: string[], parts: Partial<LookupWork> = {}): Promise<Lookup> {
    const lookup = new Lookup(await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 }), { ...WORK, ...parts }, table)
    await lookup.#operator.open()
    return lookup
  }

  /** `n:name` of what comes of rows with these users, numbered from 0. */
  async rows(users: readonly (number | null)[]): Promise<string[]> {
    const values = users.map((user, n) => `(${n}, ${user})`).join(', ')
    await this.#database.run(`CREATE OR REPLACE TEMP TABLE input AS SELECT * FROM (VALUES ${values}) v(n, "user")`)
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

  async barrier(): Promise<void> {
    await this.#operator.cut?.({ checkpoint: 1, eventTime: undefined, isEnd: false }, { emit: () => Promise.resolve() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#operator.close()
    await this.#database.close()
  }
}

const ANN = '{"id":1,"title":"Ann","other":"x"}'
const BOB = '{"id":2,"title":"Bob","other":"x"}'
const NOBODY = '{"id":null,"title":"nobody","other":"x"}'

test('rows get what the table has for their key, in their order', async () => {
  await using lookup = await Lookup.open([ANN, BOB, NOBODY])
  assert.deepEqual(await lookup.rows([2, 1, 2, 3, null, 1]), ['0:Bob', '1:Ann', '2:Bob', '3:', '4:', '5:Ann'])
})

test('rows that find nothing are dropped, or fail the job without their values', async () => {
  await using dropping = await Lookup.open([ANN, NOBODY], { missing: 'drop' })
  assert.deepEqual(await dropping.rows([1, 2, null, 1]), ['0:Ann', '3:Ann'])
  assert.deepEqual(await dropping.rows([9]), [])
  await using failing = await Lookup.open([ANN], { missing: 'fail' })
  assert.deepEqual(await failing.rows([1]), ['0:Ann'])
  await assert.rejects(failing.rows([1, 7777, null]), { code: 'POISON', message: /nothing for the user of 2 rows$/ })
})

test('an empty table has nothing for anybody', async () => {
  await using lookup = await Lookup.open([])
  assert.deepEqual(await lookup.rows([1]), ['0:'])
})

test('a key that is there twice is refused: it would double rows', async () => {
  await assert.rejects(Lookup.open([ANN, BOB, ANN]), { code: 'CONFIG', message: /1 keys are in several rows/ })
})

test('a newer table is read beside the rows, and counts from a barrier on', async () => {
  await using lookup = await Lookup.open([ANN], { refreshMs: 1000 })
  lookup.table = [ANN, BOB]
  lookup.now = 999
  await lookup.rows([2])
  assert.equal(lookup.reads, 1)
  lookup.now = 1000
  assert.deepEqual(await lookup.rows([2]), ['0:'])
  assert.equal(lookup.reads, 2)
  // However long it takes, nothing changes but at a barrier.
  for (let turn = 0; turn < 50; turn++) assert.deepEqual(await lookup.rows([2]), ['0:'])
  const seen = new Set<string>()
  while (!seen.has('0:Bob')) {
    await lookup.barrier()
    for (const row of await lookup.rows([2])) seen.add(row)
  }
  assert.equal(lookup.reads, 2)
})

test('a table that cannot be read anew stays as it is, and somebody is told', async () => {
  await using lookup = await Lookup.open([ANN], { refreshMs: 1000 })
  lookup.table = ['broken']
  lookup.now = 1000
  await lookup.rows([1])
  while (lookup.complaints.length === 0) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(lookup.complaints, ['the server is away'])
  await lookup.barrier()
  assert.deepEqual(await lookup.rows([1]), ['0:Ann'])
  assert.equal(lookup.reads, 2)
})
