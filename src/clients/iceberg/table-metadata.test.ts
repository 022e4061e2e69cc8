import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { test } from 'node:test'
import { snapshotsAfter } from './snapshots.ts'
import { parseTableMetadata } from './table-metadata.ts'

const SCHEMA = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'id', required: true, type: 'long' }] }
const TABLE = {
  'format-version': 2,
  'table-uuid': 'u',
  location: 's3://b/t/',
  'current-schema-id': 0,
  schemas: [SCHEMA],
  'partition-specs': [],
}

function parse(json: string | object): ReturnType<typeof parseTableMetadata> {
  return parseTableMetadata(Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)), 'test')
}

/** As writers write them: numbers of 64 bits. */
function withSnapshots(...snapshots: readonly (readonly [id: string, parent: string | undefined])[]): string {
  const texts = snapshots.map(
    ([id, parent]) =>
      `{"snapshot-id":${id},${parent === undefined ? '' : `"parent-snapshot-id":${parent},`}"timestamp-ms":5,"summary":{"operation":"append"}}`,
  )
  const last = snapshots.at(-1)?.[0]
  return JSON.stringify(TABLE).replace(/}$/, `,"current-snapshot-id":${last},"snapshots":[${texts.join()}]}`)
}

test('snapshot ids of 63 bits stay what they are', () => {
  const id = '9223372036854775807'
  const metadata = parse(withSnapshots(['9007199254740993', undefined], [id, '9007199254740993']))
  assert.equal(metadata.refs.get('main')?.snapshotId, id)
  assert.equal(metadata.snapshots.get(id)?.parentId, '9007199254740993')
})

test('gzipped metadata is read, and -1 means that there is no snapshot', () => {
  const bytes = gzipSync(JSON.stringify({ ...TABLE, 'current-snapshot-id': -1 }))
  assert.equal(parseTableMetadata(bytes, 'test').refs.size, 0)
  assert.equal(parseTableMetadata(bytes, 'test').location, 's3://b/t')
})

test('version 1 has one schema and one partition spec', () => {
  const metadata = parse({
    'format-version': 1,
    location: '/t',
    schema: SCHEMA,
    'partition-spec': [{ name: 'id', transform: 'identity', 'source-id': 1 }],
  })
  assert.deepEqual(metadata.specs.get(0)?.fields, [{ fieldId: 1000, sourceId: 1, transform: 'identity' }])
  assert.equal(metadata.schemas.get(metadata.currentSchemaId)?.fields[0]?.name, 'id')
})

const DAMAGED: readonly [what: string, json: string | object, code: string][] = [
  ['text that is no JSON', '{', 'DECODE'],
  ['a list', '[]', 'DECODE'],
  ['a missing schema', { ...TABLE, 'current-schema-id': 7 }, 'DECODE'],
  ['a version of the future', { ...TABLE, 'format-version': 4 }, 'SCHEMA'],
  [
    'a type of version 3',
    { ...TABLE, schemas: [{ ...SCHEMA, fields: [{ id: 1, name: 'v', required: false, type: 'variant' }] }] },
    'SCHEMA',
  ],
]
for (const [what, json, code] of DAMAGED) {
  test(`${what} is refused with ${code}`, () => {
    assert.throws(() => parse(json), { code })
  })
}

test('snapshots that are each other’s parents do not make us walk for ever', () => {
  const metadata = parse(withSnapshots(['1', '2'], ['2', '1']))
  const head = metadata.snapshots.get('2')
  assert.ok(head !== undefined && 'broken' in snapshotsAfter(metadata, head, '3'))
})
