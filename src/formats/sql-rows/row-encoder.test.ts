/** Texts of rows for SQL statements: of equal keys the last row, and every row where keys differ. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { LaneTables } from '../../testkit/sql-target.ts'
import { RowEncoder } from './row-encoder.ts'
import { mysqlText } from './sql-text.ts'

const tables = await LaneTables.open()
after(() => tables[Symbol.asyncDispose]())

const ROWS = 2000

/** `put` or `delete`, key and row of each text, and how many rows were left out. */
async function encoded(encoder: RowEncoder, select: string): Promise<{ texts: string[]; superseded: number }> {
  const batch = await tables.batch(select)
  const { buffer, length, superseded } = await encoder.encode(batch)
  batch.release()
  const lines = buffer.toString('utf8', 0, length).split('\n').slice(0, -1)
  const texts = lines.map((line) => {
    const [, keyBytes, , op, rest] = /^(\d+) (\d+) ([01]) (.*)$/.exec(line) ?? []
    const at = Number(keyBytes)
    return `${op === '1' ? 'delete' : 'put'} ${rest?.slice(0, at)}: ${rest?.slice(at)}`
  })
  return { texts, superseded }
}

async function encoderOf(select: string, key: readonly string[], op?: string): Promise<RowEncoder> {
  const schema = await tables.schema(select)
  const fields = schema.map(({ name }) => name).filter((name) => name !== op)
  return new RowEncoder(tables.database, { text: mysqlText, schema, key, fields, op })
}

test('of rows with the same key the last one is encoded, whatever it does, in the order of the batch', async () => {
  const select = `SELECT CAST(range % 7 AS INTEGER) AS a, 'k''' || range % 3 AS b, range AS v, range % 2 AS __op FROM range(${ROWS})`
  const encoder = await encoderOf(select, ['a', 'b'], '__op')
  const { texts, superseded } = await encoded(encoder, select)
  const wanted = Array.from({ length: 21 }, (_, at) => ROWS - 21 + at).map(
    (v) => `${v % 2 === 1 ? 'delete' : 'put'} ${v % 7},'k''${v % 3}': ${v % 7},'k''${v % 3}',${v}`,
  )
  assert.deepEqual(texts, wanted)
  assert.equal(superseded, ROWS - 21)
})

test('where keys differ every row is encoded, and now and then somebody looks whether they still do', async () => {
  const different = `SELECT range AS k, 1 AS v FROM range(${ROWS})`
  const same = `SELECT CAST(0 AS BIGINT) AS k, CAST(range AS INTEGER) AS v FROM range(${ROWS})`
  const encoder = await encoderOf(different, ['k'])
  assert.deepEqual([(await encoded(encoder, different)).superseded, (await encoded(encoder, same)).superseded], [0, 0])
  let batches = 2
  while ((await encoded(encoder, same)).superseded === 0) batches++
  assert.equal(batches, 31)
  assert.deepEqual(await encoded(encoder, same), { texts: [`put 0: 0,${ROWS - 1}`], superseded: ROWS - 1 })
})

test('rows without a key, and batches of a few rows, are encoded as they are', async () => {
  const select = 'SELECT 1 AS k, CAST(range AS INTEGER) AS v FROM range(3)'
  for (const key of [[], ['k']]) {
    const { texts, superseded } = await encoded(await encoderOf(select, key), select)
    assert.deepEqual([texts.length, superseded], [3, 0])
  }
})

test('a key that is NULL is refused, also among equal ones', async () => {
  const select = `SELECT CASE WHEN range % 2 = 0 THEN 1 END AS k FROM range(${ROWS})`
  await assert.rejects(encoded(await encoderOf(select, ['k']), select), /NULL in the key column k/)
})
