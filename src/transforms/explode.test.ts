import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Batch } from '../core/batch.ts'
import { toMillraceError } from '../core/errors.ts'
import { openLaneDatabase, quoteText, type LaneDatabase } from '../dataplane/index.ts'
import { testBatch } from '../testkit/bytes-batch.ts'
import { createExplodeOperator, type ExplodeWork } from './explode.ts'
import { jsonElements } from './json-elements.ts'

const column = (name: string, type: string): ExplodeWork['input'][number] => ({ name, type, nullable: true })

const INPUT = [column('id', 'bigint'), column('list', 'json')]
const WHOLE: ExplodeWork = {
  id: 'items',
  input: INPUT,
  schema: [column('id', 'bigint'), column('n', 'bigint'), column('list', 'decimal(38,10)')],
  list: 'list',
  elements: [column('list', 'decimal(38,10)')],
  isWhole: true,
  position: 'n',
  keepsEmpty: false,
}
const FIELDS: ExplodeWork = {
  ...WHOLE,
  schema: [column('id', 'bigint'), column('sku', 'varchar'), column('price', 'decimal(20,4)')],
  elements: [column('sku', 'varchar'), column('price', 'decimal(20,4)')],
  isWhole: false,
  keepsEmpty: true,
}

async function explode(
  database: LaneDatabase,
  work: ExplodeWork,
  lists: readonly (string | null)[],
): Promise<string[]> {
  const values = lists.map((list, id) => `(${id}, ${list === null ? 'NULL' : quoteText(list)})`)
  await database.run(
    `CREATE OR REPLACE TEMP TABLE input AS SELECT id::BIGINT AS id, list::JSON AS list FROM (VALUES ${values.join(', ')}) v(id, list)`,
  )
  const operator = createExplodeOperator(work, { baseDirectory: '/', database: async () => database })
  await operator.open()
  const made: string[] = []
  const emit = async (_: number, batch: Batch): Promise<void> => {
    assert.ok(batch.body.kind === 'table')
    const rows = await database.run(`SELECT * FROM "${batch.body.relation}"`)
    assert.equal(batch.rows, rows.length)
    made.push(...rows.map((row) => row.join('|')))
    batch.release()
  }
  const input = testBatch(lists.length, { kind: 'table', relation: 'input', schema: INPUT })
  try {
    await operator.process(input, { emit })
  } finally {
    assert.equal(input.releases, 1)
    await operator.close()
  }
  return made
}

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'nothing',
    (error: unknown) => `${toMillraceError(error).code}: ${toMillraceError(error).message}`,
  )
}

test('every element is a row with all digits that it had, in its order and with its number', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
  const lists = ['[1, 1234567890123456789012345678.0123456789]', '[]', null, 'null', '[null]', '[\n  0.1\n]']
  assert.deepEqual(await explode(database, WHOLE, lists), [
    '0|0|1.0000000000',
    '0|1|1234567890123456789012345678.0123456789',
    '4|0|',
    '5|0|0.1000000000',
  ])
})

test('fields of objects become columns, other fields are left out, and empty lists may stay', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
  const lists = ['[{"sku":"a, \\"b\\"]","price":1.5,"more":[1,{"x":2}]}, {}, null]', '[]', null]
  const made = await explode(
    database,
    { ...FIELDS, position: 'n', schema: [...FIELDS.schema, column('n', 'bigint')] },
    lists,
  )
  assert.deepEqual(made, ['0|0|a, "b"]|1.5000', '0|1||', '0|2||', '1|||', '2|||'])
})

test('what is no list, or does not fit the types, is a fault of its record and nothing goes on', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
  assert.match(await failure(explode(database, WHOLE, ['[1]', '{"a":[1]}'])), /^POISON: .*not a JSON array/)
  assert.match(await failure(explode(database, FIELDS, ['[1]'])), /element 0 from 0 is not a JSON object/)
  assert.match(await failure(explode(database, FIELDS, ['[]', '[{"price":1.23456}]'])), /in an element, price: /)
  assert.match(await failure(explode(database, WHOLE, ['["x"]'])), /^POISON/)
})

test('lists are taken apart as they are written, whatever is in them', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 1), (values, indent) => {
      const elements = jsonElements(JSON.stringify(values, undefined, indent))
      assert.deepEqual(
        elements?.map((element) => JSON.parse(element) as unknown),
        JSON.parse(JSON.stringify(values)),
      )
    }),
  )
  for (const other of ['{"a":[]}', '1', '"[]"', 'true']) assert.equal(jsonElements(other), undefined)
})
