import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileStoreSuite } from './file-store-suite.ts'
import { isStopped, MemoryFileStore } from './memory-file-store.ts'

fileStoreSuite('the store in memory', async () => ({
  store: new MemoryFileStore(),
  [Symbol.asyncDispose]: async () => undefined,
}))

test('a store that is told to stop carries out that many changes and then fails every call', async () => {
  const store = new MemoryFileStore()
  store.stopAfter(1)
  await store.create('a', Buffer.from('1'))
  await assert.rejects(store.create('b', Buffer.from('2')), isStopped)
  await assert.rejects(store.read('a'), isStopped)
  assert.deepEqual([...store.files.keys()], ['a'])
})
