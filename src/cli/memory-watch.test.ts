import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MillraceError } from '../core/errors.ts'
import { machineBytes, usualMemoryLimit, watchMemory } from './memory-watch.ts'

const GIB = 2 ** 30

test('the usual limit grows with the lanes and leaves something to the machine', () => {
  assert.equal(usualMemoryLimit(1, 64 * GIB), 3 * GIB)
  assert.equal(usualMemoryLimit(8, 64 * GIB), 10 * GIB)
  assert.equal(usualMemoryLimit(8, 4 * GIB), 3.2 * GIB)
  assert.equal(machineBytes(0, 8 * GIB), 8 * GIB, 'no limit of a container')
  assert.equal(machineBytes(2 * GIB, 8 * GIB), 2 * GIB)
  assert.equal(machineBytes(2 ** 63, 8 * GIB), 8 * GIB)
})

test('the first look at more than the limit is told, once', async () => {
  const sizes = [1, 2, 3, 11, 12, 13]
  const told = Promise.withResolvers<MillraceError>()
  let times = 0
  using _watch = watchMemory(
    10,
    (error) => {
      times++
      told.resolve(error)
    },
    () => sizes.shift() ?? 99,
  )
  const keepAlive = setInterval(() => undefined, 1000)
  const { code, message, retry } = await told.promise
  clearInterval(keepAlive)
  assert.deepEqual([code, retry, times, sizes], ['MEMORY', 'halt', 1, [12, 13]])
  assert.match(message, /holds 11 B, more than its memoryLimit of 10 B/)
})
