import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitCsvRecord } from '../../connectors/file/csv-record.ts'
import type { SourceStep } from '../../plan/plan.ts'
import { makeRows } from './make-rows.ts'
import { rowEncodingOf } from './row-encoding.ts'

const step: SourceStep = {
  kind: 'source',
  id: 'rows',
  connector: 'file',
  options: { path: 'x.csv', format: { type: 'csv', delimiter: ' ', null: 'NULL' } },
  bounded: true,
  schema: undefined,
  gives: { kind: 'table' },
  format: 'csv',
  metadata: [],
  delivery: { class: 'atomic', reason: '', assumptions: [] },
  outputs: [],
}

test('changes come two and two: a row and its later version, or a row and its deletion', () => {
  const schema = ['__op', 'key', 'value'].map((name) => ({ name, type: 'varchar', nullable: name !== 'key' }))
  const { rows } = makeRows(schema, 400, 7, new Set(['key']))
  for (let at = 0; at < rows.length; at += 2) {
    const [put, then] = [rows[at], rows[at + 1]]
    assert.equal(put?.[1], then?.[1], 'of one key')
    assert.deepEqual([put?.[0], then?.[0]], ['0', at % 4 === 2 ? '1' : '0'])
  }
  assert.equal(new Set(rows.map(([, key]) => key)).size, 200)
})

test('made rows are the same in JSON and in CSV, whatever the dialect has to quote', async () => {
  const schema = ['a', 'b'].map((name) => ({ name, type: 'varchar', nullable: true }))
  const made = makeRows(schema, 200, 3, new Set())
  const json = (await rowEncodingOf({ ...step, format: 'json' })).write(made)
  const wanted = json
    .trim()
    .split('\n')
    .map((line) => Object.values(JSON.parse(line) as object))
  const dialect = { kind: 'csv', delimiter: ' ', quote: '"', header: true, null: 'NULL' } as const
  const [header, ...lines] = (await rowEncodingOf(step)).write(made).trim().split('\n')
  assert.equal(header, 'a b')
  const found = lines.map((line) =>
    splitCsvRecord(line, dialect)?.map(({ text, isQuoted }) => (text === 'NULL' && !isQuoted ? null : text)),
  )
  assert.deepEqual(found, wanted)
})
