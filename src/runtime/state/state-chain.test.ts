import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filesOf, type StepState } from '../../checkpoint/kept-state.ts'
import { keyGroupsOf } from '../../dataplane/key-groups.ts'
import { MemoryFileStore } from '../../testkit/memory-file-store.ts'
import type { KeyedState, KeyGroups } from '../../transforms/operator.ts'
import { StateChain } from './state-chain.ts'

/** Keys that are numbers of their own key groups, kept as JSON. */
class NumberState implements KeyedState {
  readonly definition = 'numbers'
  kept = new Map<number, number>()
  readonly #changed = new Map<number, number>()
  loads = 0

  get rows(): number {
    return this.kept.size
  }

  put(key: number, value: number): void {
    this.kept.set(key, value)
    this.#changed.set(key, value)
  }

  async clear(): Promise<void> {
    this.kept.clear()
    this.#changed.clear()
  }

  async load(bytes: Uint8Array, groups: KeyGroups | undefined): Promise<void> {
    this.loads += 1
    for (const [key, value] of JSON.parse(Buffer.from(bytes).toString()) as [number, number][]) {
      if (groups === undefined || (key >= groups[0] && key < groups[1])) this.kept.set(key, value)
    }
  }

  async save(all: boolean): Promise<{ bytes: Uint8Array; rows: number } | undefined> {
    const rows = [...(all ? this.kept : this.#changed)]
    this.#changed.clear()
    return rows.length === 0 && !all ? undefined : { bytes: Buffer.from(JSON.stringify(rows)), rows: rows.length }
  }
}

function chainOf(store: MemoryFileStore, lane: number, lanes: number): { state: NumberState; chain: StateChain } {
  const state = new NumberState()
  const options = { step: 'step', lane, groups: keyGroupsOf(lane, lanes), state, store: async () => store }
  return { state, chain: new StateChain(options) }
}

async function checkpointOf(chains: readonly StateChain[], checkpoint: number, isEnd = false): Promise<StepState> {
  const parts = await Promise.all(chains.map(async (chain) => (await chain.save(checkpoint, isEnd))()))
  return { definition: 'numbers', parts }
}

test('only what changed is written, and nothing where nothing did', async () => {
  const store = new MemoryFileStore()
  const { state, chain } = chainOf(store, 0, 1)
  await chain.restore(1, undefined)
  for (let key = 0; key < 100; key++) state.put(key, 0)
  await checkpointOf([chain], 1)
  state.put(7, 1)
  const second = await checkpointOf([chain], 2)
  const third = await checkpointOf([chain], 3)
  assert.deepEqual(
    second.parts[0]?.files.map(({ path, rows }) => [path, rows]),
    [
      ['e1/c1-step-l0.parquet', 100],
      ['e1/c2-step-l0.parquet', 1],
    ],
  )
  assert.deepEqual(third, second)
  const next = chainOf(store, 0, 1)
  await next.chain.restore(2, third)
  assert.deepEqual(next.state.kept, state.kept)
})

test('changes are gathered into a whole file before there are too many of them', async () => {
  const store = new MemoryFileStore()
  const { state, chain } = chainOf(store, 0, 1)
  await chain.restore(1, undefined)
  let longest = 0
  for (let checkpoint = 1; checkpoint <= 60; checkpoint++) {
    state.put(checkpoint, checkpoint)
    longest = Math.max(longest, filesOf({ step: await checkpointOf([chain], checkpoint) }).length)
  }
  assert.ok(longest > 2 && longest <= 25, String(longest))
})

test('state follows its key groups to another number of lanes and back', async () => {
  const store = new MemoryFileStore()
  let at: StepState | undefined
  const expected = new Map<number, number>()
  for (const [epoch, lanes] of [1, 3, 2, 5, 1].entries()) {
    const all = Array.from({ length: lanes }, (_, lane) => chainOf(store, lane, lanes))
    for (const { chain } of all) await chain.restore(epoch + 1, at)
    assert.deepEqual(
      new Map(all.flatMap(({ state }) => [...state.kept]).sort(([a], [b]) => a - b)),
      expected,
      `${lanes} lanes`,
    )
    for (let key = epoch; key < 128; key += 2) {
      all[Math.floor((key * lanes) / 128)]?.state.put(key, epoch)
      expected.set(key, epoch)
    }
    at = await checkpointOf(
      all.map(({ chain }) => chain),
      epoch + 1,
    )
    const sorted = [...expected].sort(([a], [b]) => a - b)
    expected.clear()
    for (const [key, value] of sorted) expected.set(key, value)
  }
})

test('an end of the input with nothing left names no file', async () => {
  const { state, chain } = chainOf(new MemoryFileStore(), 0, 1)
  await chain.restore(1, undefined)
  state.put(1, 1)
  await checkpointOf([chain], 1)
  await state.clear()
  assert.deepEqual(filesOf({ step: await checkpointOf([chain], 2, true) }), [])
})

test('a file that is missing or damaged ends the start, with its name', async () => {
  const store = new MemoryFileStore()
  const { state, chain } = chainOf(store, 0, 1)
  await chain.restore(1, undefined)
  state.put(1, 1)
  const kept = await checkpointOf([chain], 1)
  const [path = ''] = filesOf({ step: kept })
  store.files.set(path, Buffer.from('[[1,2]]'))
  const again = chainOf(store, 0, 1)
  await assert.rejects(again.chain.restore(2, kept), {
    code: 'STORE_CORRUPT',
    message: /e1\/c1-step-l0.*other content/,
  })
  store.files.delete(path)
  await assert.rejects(again.chain.restore(2, kept), { code: 'STORE_CORRUPT', message: /is missing/ })
})
