import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FileStore } from '../../core/file-store.ts'
import type { Schema } from '../../core/schema.ts'
import { testCoordinatorContext, testSourceContext } from '../../testkit/lane-context.ts'
import { openTemporaryStore } from '../../testkit/temporary-store.ts'
import { hudiSinkOptions } from './options.ts'
import { HudiSink } from './sink.ts'
import { PROPERTIES_PATH } from './table.ts'

const SCHEMA: Schema = [
  { name: 'id', type: 'bigint', nullable: false },
  { name: 'dt', type: 'varchar', nullable: true },
]

test('a check looks at the table that is there, and changes nothing', async () => {
  await using temporary = await openTemporaryStore()
  const { path, store } = temporary
  const check = async (directory: string, options: object): Promise<string[]> => {
    const sink = new HudiSink(
      hudiSinkOptions.parse({ path: directory, table: 'lake', partitionBy: ['dt'], ...options }),
    )
    const openStore = async (): Promise<FileStore> => store
    const found = await sink.check({ ...testSourceContext(), schema: SCHEMA, lanes: 1, openStore })
    return found.map(({ severity, code, message }) => `${severity} ${code} ${message}`)
  }
  assert.deepEqual(await check(join(path, 'nowhere'), {}), [])
  assert.deepEqual(await check(path, {}), [])
  assert.deepEqual(await Array.fromAsync(store.list('')), [])
  const sink = new HudiSink(hudiSinkOptions.parse({ path, table: 'lake', partitionBy: ['dt'] }))
  const openStore = async (): Promise<FileStore> => store
  await sink.coordinator(testCoordinatorContext({ schema: SCHEMA, openStore })).begin(1, 1)
  assert.deepEqual(await check(path, {}), [])
  assert.match((await check(path, { partitionBy: [] })).join(), /^error SCHEMA partition columns: the table has dt/)
  const more = { partitionBy: ['dt', 'id % 4 AS bucket'], schemaChange: 'evolve' }
  assert.match((await check(path, more)).join(), /partition columns.*info SCHEMA the next commit adds columns.*bucket/)

  const text = Buffer.from((await store.read(PROPERTIES_PATH)) ?? []).toString()
  for (const [change, about] of [
    ['hoodie.table.recordkey.fields=id', /^error SCHEMA the table has the record key id/],
    ['hoodie.table.type=MERGE_ON_READ', /^error PREFLIGHT hoodie.table.type is MERGE_ON_READ/],
    ['hoodie.table.base.file.format=ORC', /^error PREFLIGHT hoodie.table.base.file.format is ORC/],
    ['hoodie.table.version=8', /^error PREFLIGHT hoodie.table.version is 8/],
    ['hoodie.table.metadata.partitions=files', /^error PREFLIGHT the table has a Hudi metadata table/],
  ] as const) {
    await store.replace(PROPERTIES_PATH, Buffer.from(`${text}${change}\n`))
    assert.match((await check(path, {})).join(), about)
  }
})
