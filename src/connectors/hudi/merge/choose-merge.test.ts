import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseMerge, type SmallFile } from './choose-merge.ts'

const RULES = { targetFileSize: 1000, idleCommits: 30 }

function files(...sizes: number[]): SmallFile[] {
  return sizes.map((bytes, at) => ({
    ...{ fileId: `f${at}`, path: `p/f${at}`, partitionPath: 'p', bytes },
    instant: String(20261121000000000n + BigInt(at)),
  }))
}

function chosen(sizes: number[], commitsSince = 0): number[] {
  return chooseMerge(files(...sizes), commitsSince, RULES).map(({ bytes }) => bytes)
}

test('the oldest files that make a large one are merged, and no more', () => {
  assert.deepEqual(chosen([300, 300, 300, 300, 300]), [300, 300, 300, 300])
})

test('too little is left alone while the partition grows, and merged when it does not any more', () => {
  assert.deepEqual(chosen([300, 300]), [])
  assert.deepEqual(chosen([300, 300], 30), [300, 300])
  assert.deepEqual(chosen([300], 30), [])
})

test('many files of similar size are merged before they make a large one', () => {
  const sizes = Array.from({ length: 16 }, () => 5)
  assert.deepEqual(chosen([400, ...sizes]), sizes)
  assert.deepEqual(chosen([400, ...sizes.slice(1)]), [])
})

test('whatever the sizes, a merge is worth it and not much larger than the target', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 499 }), { maxLength: 80 }), fc.nat(60), (sizes, since) => {
      const taken = chosen(sizes, since)
      const sum = taken.reduce((all, bytes) => all + bytes, 0)
      assert.ok(taken.length !== 1)
      assert.ok(sum < RULES.targetFileSize * 1.5)
      if (taken.length === 0) assert.ok(sizes.reduce((all, bytes) => all + bytes, 0) < RULES.targetFileSize)
    }),
  )
})

test('a partition that grows for ever ends in large files, each byte written again a few times at most', () => {
  let left: SmallFile[] = []
  let [large, written, count] = [0, 0, 0]
  const total = 20_000
  for (let commit = 0; commit < total; commit++) {
    left.push(...files(1).map((file) => ({ ...file, path: String(count++) })))
    const taken = chooseMerge(left, 0, RULES)
    if (taken.length === 0) continue
    const bytes = taken.reduce((sum, file) => sum + file.bytes, 0)
    written += bytes
    left = left.filter((file) => !taken.includes(file))
    if (bytes < RULES.targetFileSize / 2)
      left.unshift(...files(bytes).map((file) => ({ ...file, path: String(count++) })))
    else large += bytes
  }
  assert.ok(large > total * 0.9, `${large} of ${total} in large files`)
  assert.ok(written < total * 4, `${written} written for ${total}`)
  assert.ok(left.length < 64)
})
