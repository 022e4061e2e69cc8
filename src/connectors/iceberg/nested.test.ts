/** Structs, lists and maps as documents: a table that Spark wrote and whose nested fields were then renamed, widened, dropped and made anew. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixtureTable, OpenedIceberg } from '../../testkit/iceberg-tables.ts'

const table = fixtureTable('v2_nested')
/** Rows of before the changes, and of after them. */
const OLD = 30
const NEW = 10

/** With the digits that DuckDB writes. */
function real(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value)
}

/** What Spark wrote into row `id`, with the fields as they are called now. */
function expected(id: number): string {
  if (id >= OLD) {
    return (
      `{"id":${id},"place":{"town":"T","at":null,"country":"fr","since":"new"},"labels":[],"scores":{},` +
      `"seen":[{"ts":"1970-01-01T00:00:00.000000+00:00","local":"1970-01-01T00:00:00.000001","n":9007199254740993}],` +
      `"by_day":{},"raw":null}`
    )
  }
  const at = id % 4 === 0 ? 'null' : `{"lat":${real(id * 1.5)},"lon":${real(Math.fround(id) / 10)}}`
  const town = id % 3 === 0 ? 'null' : `"c${id}"`
  const place = id % 5 === 0 ? 'null' : `{"town":${town},"at":${at},"country":null,"since":null}`
  const labels = id % 6 === 0 ? 'null' : id % 6 === 1 ? '[]' : JSON.stringify(['a', null, `"t${id}"\n`])
  const scores = id % 7 === 0 ? 'null' : id % 7 === 1 ? '{}' : `{"x":"${(id * 1.25).toFixed(2)}","y":null}`
  const second = '2023-11-14T22:13:20.0000'
  const two = (value: number): string => String(value).padStart(2, '0')
  const moment = `{"ts":"${second}${two(id + 1)}+00:00","local":"${second}${two(id)}","n":${id}}`
  const seen = id % 2 === 0 ? 'null' : `[${moment},null]`
  const raw = `{"b":"${Buffer.from(`b${id}`).toString('hex')}","ok":${id % 2 === 0}}`
  const byDay = `{"${id}":[${9_007_199_254_740_993n + BigInt(id)},null]}`
  return `{"id":${id},"place":${place},"labels":${labels},"scores":${scores},"seen":${seen},"by_day":${byDay},"raw":${raw}}`
}

test('nested columns come as documents, their fields by id, every value to the digit', async () => {
  await using opened = await OpenedIceberg.open({ table })
  assert.deepEqual(
    opened.schema.map(({ name, type }) => `${name} ${type}`),
    ['id bigint', ...['place', 'labels', 'scores', 'seen', 'by_day', 'raw'].map((name) => `${name} json`)],
  )
  const lines = await opened.readLines()
  const idOf = (line: string): number => Number(/\d+/.exec(line)?.[0])
  assert.deepEqual(
    lines.toSorted((one, other) => idOf(one) - idOf(other)),
    Array.from({ length: OLD + NEW }, (_, id) => expected(id)),
  )
})

test('a condition may ask whether a nested column is NULL, and nothing else of it', async () => {
  await using opened = await OpenedIceberg.open({ table, columns: ['id'], where: 'place IS NULL' })
  const rows = await opened.readAll()
  assert.deepEqual(
    rows.map(({ id }) => Number(id)).toSorted((one, other) => one - other),
    [0, 5, 10, 15, 20, 25],
  )
  const wrong = OpenedIceberg.open({ table, columns: ['id'], where: "place = 'T'" })
  await assert.rejects(wrong, { code: 'CONFIG', message: /a value for place/ })
})
