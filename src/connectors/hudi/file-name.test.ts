import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dataFileName, formatDataFileName, parseDataFileName, uuidV5 } from './file-name.ts'

const BASE = {
  table: 't',
  owner: { job: 'j', sink: 's', epoch: 1, checkpoint: 1 },
  instant: '20261121030032128',
  lane: 0,
  lanes: 2,
  sequence: 0,
}

test('name-based UUIDs are those of RFC 9562', () => {
  assert.equal(
    uuidV5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com'),
    '2ed6657d-e927-568b-95e1-2665a8aea6a2',
  )
})

test('the same work gets the same name, other work another file id', () => {
  const name = formatDataFileName(dataFileName(BASE))
  assert.equal(formatDataFileName(dataFileName({ ...BASE })), name)
  const others = [
    { ...BASE, table: 'u' },
    { ...BASE, lane: 1 },
    { ...BASE, sequence: 1 },
    { ...BASE, instant: '20261121030032129' },
    ...(['job', 'sink'] as const).map((key) => ({ ...BASE, owner: { ...BASE.owner, [key]: 'x' } })),
    ...(['epoch', 'checkpoint'] as const).map((key) => ({ ...BASE, owner: { ...BASE.owner, [key]: 2 } })),
  ]
  const ids = others.map((each) => dataFileName(each).fileId)
  assert.equal(new Set([...ids, dataFileName(BASE).fileId]).size, others.length + 1)
})

test('every name has the form that Hudi takes apart, whatever the job is called', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(), fc.nat(), (job, sink, lane, sequence) => {
      const name = dataFileName({ ...BASE, owner: { ...BASE.owner, job, sink }, lane, sequence })
      const text = formatDataFileName(name)
      assert.match(text, /^[a-zA-Z0-9-]+_[a-zA-Z0-9-]+_[0-9]+\.[a-zA-Z0-9]+$/)
      assert.deepEqual(parseDataFileName(text), name)
    }),
  )
})

test('names of other files are not taken for data files', () => {
  for (const name of ['.hoodie_partition_metadata', 'a_b_c.parquet', 'a_0-1-0_1.parquet.crc', '.a_0-1-0_1.parquet']) {
    assert.equal(parseDataFileName(name), undefined, name)
  }
})
