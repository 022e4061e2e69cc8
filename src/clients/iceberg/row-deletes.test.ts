import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentFile, PartitionValue } from './manifest.ts'
import { DeleteIndex } from './row-deletes.ts'
import type { PartitionSpec } from './table-metadata.ts'

const SPECS: ReadonlyMap<number, PartitionSpec> = new Map([
  [0, { id: 0, fields: [] }],
  [1, { id: 1, fields: [{ fieldId: 1000, sourceId: 1, transform: 'identity' }] }],
  [2, { id: 2, fields: [{ fieldId: 1000, sourceId: 1, transform: 'void' }] }],
])
const PATH_ID = 2_147_483_546

function file(content: ContentFile['content'], sequenceNumber: number, more: Partial<ContentFile> = {}): ContentFile {
  const none = new Map<number, never>()
  return {
    content,
    path: `${content}-${sequenceNumber}`,
    format: 'parquet',
    specId: 1,
    partition: partition('eu'),
    records: 1,
    size: 1,
    valueCounts: none,
    nullCounts: none,
    nanCounts: none,
    lower: none,
    upper: none,
    splitOffsets: undefined,
    equalityIds: undefined,
    referencedDataFile: undefined,
    sequenceNumber,
    ...more,
  }
}

function partition(value?: PartitionValue): ReadonlyMap<number, PartitionValue> {
  return new Map(value === undefined ? [] : [[1000, value]])
}

function appliesTo(data: ContentFile, deletes: ContentFile): boolean {
  const { positions, equality } = new DeleteIndex([deletes], SPECS).of(data)
  return positions.length + equality.length > 0
}

const data = file('data', 5)

test('position deletes reach files of the same commit, equality deletes only older ones', () => {
  assert.ok(appliesTo(data, file('position-deletes', 5)))
  assert.ok(!appliesTo(data, file('position-deletes', 4)))
  assert.ok(appliesTo(data, file('equality-deletes', 6)))
  assert.ok(!appliesTo(data, file('equality-deletes', 5)))
})

test('deletes stay in their partition, whose NULL is a value of its own', () => {
  for (const content of ['position-deletes', 'equality-deletes'] as const) {
    assert.ok(!appliesTo(data, file(content, 9, { partition: partition('us') })))
    assert.ok(!appliesTo(data, file(content, 9, { partition: partition() })))
    assert.ok(appliesTo(file('data', 5, { partition: partition() }), file(content, 9, { partition: partition() })))
  }
})

test('equality deletes without a partition reach every file, position deletes do not', () => {
  for (const specId of [0, 2]) {
    const more = { specId, partition: partition() }
    assert.ok(appliesTo(data, file('equality-deletes', 9, more)))
    assert.ok(!appliesTo(data, file('position-deletes', 9, more)))
  }
})

test('position deletes that name other files are not read', () => {
  assert.ok(!appliesTo(data, file('position-deletes', 9, { referencedDataFile: 'other' })))
  assert.ok(appliesTo(data, file('position-deletes', 9, { referencedDataFile: data.path })))
  const between = (lower: string, upper: string): Partial<ContentFile> => ({
    lower: new Map([[PATH_ID, Buffer.from(lower)]]),
    upper: new Map([[PATH_ID, Buffer.from(upper)]]),
  })
  assert.ok(!appliesTo(data, file('position-deletes', 9, between('e', 'f'))))
  assert.ok(appliesTo(data, file('position-deletes', 9, between('data', 'dz'))))
})
