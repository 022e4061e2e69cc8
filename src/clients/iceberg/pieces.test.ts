import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ContentFile } from './manifest.ts'
import { dealPieces } from './pieces.ts'
import { NO_DELETES } from './row-deletes.ts'
import type { ScanTask } from './scan-plan.ts'

const MIB = 1024 * 1024

function taskOf(size: number, splitOffsets: readonly number[] | undefined, index: number): ScanTask {
  const none = new Map<number, never>()
  const file: ContentFile = {
    content: 'data',
    path: `f${index}`,
    format: 'parquet',
    specId: 0,
    partition: none,
    records: 1,
    size,
    valueCounts: none,
    nullCounts: none,
    nanCounts: none,
    lower: none,
    upper: none,
    splitOffsets,
    equalityIds: undefined,
    referencedDataFile: undefined,
    sequenceNumber: 1,
  }
  return { change: 'insert', file, deletes: NO_DELETES }
}

const tasks = fc
  .array(fc.record({ size: fc.nat(600 * MIB), groups: fc.nat(20), says: fc.boolean() }), { maxLength: 60 })
  .map((files) =>
    files.map(({ size, groups, says }, index) => {
      const offsets = Array.from({ length: groups }, (_, group) => 4 + Math.floor((size / (groups + 1)) * group))
      return taskOf(size, says ? offsets : undefined, index)
    }),
  )

test('every byte of every file is in exactly one piece, and the plan is the same every time', () => {
  fc.assert(
    fc.property(tasks, fc.integer({ min: 1, max: 40 }), fc.nat(100), (files, stripes, turn) => {
      const plan = dealPieces(files, stripes, turn)
      assert.equal(plan.stripes.length, stripes)
      assert.deepEqual(dealPieces(files, stripes, turn), plan)
      const byFile = Map.groupBy(plan.stripes.flat(), ({ task }) => task.file.path)
      assert.equal(byFile.size, files.length)
      for (const { file } of files) {
        const pieces = (byFile.get(file.path) ?? []).sort((one, other) => one.start - other.start)
        assert.equal(pieces[0]?.start, 0)
        pieces.forEach(({ end }, index) => assert.equal(end, pieces[index + 1]?.start ?? file.size))
      }
    }),
    { numRuns: 200 },
  )
})

test('stripes get shares of one size, as far as pieces allow', () => {
  const files = Array.from({ length: 200 }, (_, index) => taskOf((1 + (index % 50)) * MIB, undefined, index))
  const loads = dealPieces(files, 8, 0).stripes.map((pieces) =>
    pieces.reduce((bytes, { start, end }) => bytes + end - start, 0),
  )
  assert.ok(Math.max(...loads) <= 1.02 * Math.min(...loads), String(loads))
})

test('one large file is shared where it says where its row groups begin', () => {
  const offsets = Array.from({ length: 10 }, (_, group) => 4 + group * 100 * MIB)
  const shared = dealPieces([taskOf(1000 * MIB, offsets, 0)], 4, 0)
  assert.ok(shared.stripes.every((pieces) => pieces.length >= 2))
  const whole = dealPieces([taskOf(1000 * MIB, [5, 4, 3], 0)], 4, 0)
  assert.equal(whole.stripes.flat().length, 1)
})

test('small snapshots go to stripe after stripe', () => {
  const stripeOf = (turn: number): number =>
    dealPieces([taskOf(10, undefined, 0)], 4, turn).stripes.findIndex((pieces) => pieces.length > 0)
  assert.deepEqual([0, 1, 2, 3, 4].map(stripeOf), [0, 1, 2, 3, 0])
})
