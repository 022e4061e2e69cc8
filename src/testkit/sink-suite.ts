import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Batch } from '../core/batch.ts'
import type { CommitPermit, SweepScope } from '../core/checkpoint-types.ts'
import type { JsonObject } from '../core/json.ts'
import type { GlobalCommittable, SinkCoordinator, SinkWriter } from '../core/sink.ts'

/** A sink over an empty target, with a reader of its own that knows nothing of the sink's code. */
export interface OpenedSink extends AsyncDisposable {
  /** A new one each time, as after a start in another process. The caller closes it. */
  coordinator(): SinkCoordinator
  /** Writer of a lane, 0 or 1. The caller closes it. */
  writer(lane: number): SinkWriter
  /** Rows with the ids from `from` up to and without `to`. */
  batch(from: number, to: number): Batch | Promise<Batch>
  /** Ids that readers of the target see, in ascending order; absent where nobody can read. */
  visible?(): Promise<readonly number[]>
}

/** Only the checkpoint log makes real ones. */
const permit = (checkpoint: number, epoch: number): CommitPermit => ({ checkpoint, epoch }) as CommitPermit

/** The epoch that each coordinator commits in. */
const epochs = new WeakMap<SinkCoordinator, number>()

/** One lane's life as the runtime drives it, and the coordinator beside it. */
class Life implements AsyncDisposable {
  readonly #sink: OpenedSink
  readonly coordinator: SinkCoordinator
  readonly epoch: number
  readonly #writers: SinkWriter[] = []
  /** A ticket is made once for all lanes. */
  readonly #tickets = new Map<number, Promise<JsonObject>>()

  constructor(sink: OpenedSink, epoch: number) {
    this.#sink = sink
    this.epoch = epoch
    this.coordinator = sink.coordinator()
    epochs.set(this.coordinator, epoch)
  }

  async writer(checkpoint: number, lane = 0): Promise<SinkWriter> {
    const writer = this.#sink.writer(lane)
    this.#writers.push(writer)
    writer.begin(checkpoint, await this.ticket(checkpoint))
    return writer
  }

  async next(checkpoint: number): Promise<{ checkpoint: number; ticket: JsonObject }> {
    return { checkpoint, ticket: await this.ticket(checkpoint) }
  }

  ticket(checkpoint: number): Promise<JsonObject> {
    const made = this.#tickets.get(checkpoint) ?? this.coordinator.begin(checkpoint, this.epoch)
    this.#tickets.set(checkpoint, made)
    return made
  }

  async write(writer: SinkWriter, from: number, to: number): Promise<void> {
    await writer.write(await this.#sink.batch(from, to))
  }

  /** Writes one checkpoint in one lane and hands over what a manifest would carry. */
  async prepare(checkpoint: number, from: number, to: number): Promise<GlobalCommittable[]> {
    const writer = await this.writer(checkpoint)
    await this.write(writer, from, to)
    const { committables } = await writer.cut(await this.next(checkpoint + 1))
    return this.combine(checkpoint, committables)
  }

  async combine(checkpoint: number, parts: readonly JsonObject[]): Promise<GlobalCommittable[]> {
    return asStored(await this.coordinator.combine(checkpoint, asStored(parts)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const writer of this.#writers) await writer.close()
    await this.coordinator.close()
  }
}

/** Lanes and manifests carry JSON. */
function asStored<T>(value: T): Mutable<T> {
  return JSON.parse(JSON.stringify(value)) as Mutable<T>
}
type Mutable<T> = T extends readonly (infer E)[] ? E[] : T

const ids = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

async function commitAll(
  coordinator: SinkCoordinator,
  checkpoint: number,
  all: readonly GlobalCommittable[],
): Promise<string[]> {
  const outcomes: string[] = []
  const own = permit(checkpoint, epochs.get(coordinator) ?? 1)
  for (const { committable } of all) outcomes.push((await coordinator.commit(own, committable)).outcome)
  return outcomes
}

async function states(coordinator: SinkCoordinator, all: readonly GlobalCommittable[]): Promise<string[]> {
  const evidence = await coordinator.evidence(all.map(({ committable }) => committable))
  return evidence.map(({ state }) => state)
}

async function see(sink: OpenedSink, expected: readonly number[]): Promise<void> {
  if (sink.visible !== undefined) assert.deepEqual(await sink.visible(), expected)
}

const isDone = (outcome: string): boolean => outcome === 'committed' || outcome === 'already-committed'

function scope(below: number, keep: readonly GlobalCommittable[], runs: SweepScope['runs']): SweepScope {
  return { below, runs, keep: keep.map(({ committable }) => committable) }
}

/** What every sink of two phases promises. Call it from the connector's test file. */
export function sinkSuite(name: string, open: () => Promise<OpenedSink>): void {
  describe(`${name} keeps the promises of a sink`, () => {
    boundaryTests(open)
    visibilityTests(open)
    failureTests(open)
    sweepTests(open)
    traceTests(open)
  })
}

/** What a sink promises that keeps nothing: the runtime's side of the contract. */
export function forgetfulSinkSuite(name: string, open: () => Promise<OpenedSink>): void {
  describe(`${name} keeps the promises of a sink that keeps no rows`, () => boundaryTests(open))
}

function visibilityTests(open: () => Promise<OpenedSink>): void {
  test('rows are visible after the commit and not before', async () => {
    await using sink = await open()
    await using life = new Life(sink, 1)
    const prepared = await life.prepare(1, 0, 10)
    await see(sink, [])
    assert.ok((await commitAll(life.coordinator, 1, prepared)).every(isDone))
    await see(sink, ids(0, 10))
  })

  test('committing again, also from another process, changes nothing and is a success', async () => {
    await using sink = await open()
    const prepared = await prepareAndLeave(sink, 1, 0, 10)
    for (const epoch of [2, 3]) {
      await using later = new Life(sink, epoch)
      for (let turn = 0; turn < 2; turn++) {
        assert.ok((await commitAll(later.coordinator, 1, prepared)).every(isDone))
        await see(sink, ids(0, 10))
      }
    }
  })

  test('evidence tells what is prepared from what is committed, and changes neither', async () => {
    await using sink = await open()
    const prepared = await prepareAndLeave(sink, 1, 0, 10)
    await using later = new Life(sink, 2)
    for (let turn = 0; turn < 2; turn++) {
      assert.ok((await states(later.coordinator, prepared)).every((state) => state === 'committable'))
    }
    await commitAll(later.coordinator, 1, prepared)
    assert.ok((await states(later.coordinator, prepared)).every((state) => state === 'committed'))
  })

  test('the rows of all lanes are in the checkpoint, each once, and are counted', async () => {
    await using sink = await open()
    await using life = new Life(sink, 1)
    const next = await life.next(2)
    const parts: JsonObject[] = []
    let counted = 0
    for (const lane of [0, 1]) {
      const writer = await life.writer(1, lane)
      await life.write(writer, lane * 10, lane * 10 + 4)
      await life.write(writer, lane * 10 + 4, lane * 10 + 10)
      const { committables, counts } = await writer.cut(next)
      parts.push(...committables)
      counted += counts.rows
    }
    const all = await life.combine(1, parts)
    assert.equal(counted, 20)
    assert.equal(
      all.reduce((sum, { rows }) => sum + rows, 0),
      20,
    )
    await commitAll(life.coordinator, 1, all)
    await see(sink, ids(0, 20))
  })
}

function boundaryTests(open: () => Promise<OpenedSink>): void {
  test('a checkpoint without rows has nothing to commit', async () => {
    await using sink = await open()
    await using life = new Life(sink, 1)
    const writer = await life.writer(1)
    for (const checkpoint of [2, 3]) {
      const { committables, counts } = await writer.cut(await life.next(checkpoint))
      assert.deepEqual([committables, counts.rows], [[], 0])
      assert.deepEqual(await life.combine(checkpoint - 1, committables), [])
    }
    await life.write(writer, 0, 3)
    const { committables } = await writer.cut(await life.next(4))
    await commitAll(life.coordinator, 3, await life.combine(3, committables))
    await see(sink, ids(0, 3))
  })

  test('rows that are written while a cut is pending belong to the next checkpoint', async () => {
    await using sink = await open()
    await using life = new Life(sink, 1)
    const writer = await life.writer(1)
    const [second, third] = [await life.next(2), await life.next(3)]
    await life.write(writer, 0, 5)
    const cutting = writer.cut(second)
    await life.write(writer, 5, 9)
    const one = await cutting
    const two = await writer.cut(third)
    assert.deepEqual([one.counts.rows, two.counts.rows], [5, 4])
    const [first, later] = [await life.combine(1, one.committables), await life.combine(2, two.committables)]
    await commitAll(life.coordinator, 1, first)
    await see(sink, ids(0, 5))
    await commitAll(life.coordinator, 2, later)
    await see(sink, ids(0, 9))
  })

  test('every batch is released once', async () => {
    await using sink = await open()
    await using life = new Life(sink, 1)
    const writer = await life.writer(1)
    let releases = 0
    for (const at of [0, 5, 10]) {
      const batch = await sink.batch(at, at + 5)
      const release = (): void => {
        releases++
        batch.release()
      }
      await writer.write({ ...batch, release })
    }
    await writer.cut(await life.next(2))
    assert.equal(releases, 3)
  })

  test('the fingerprint of a target stays the same', async () => {
    await using sink = await open()
    await using life = new Life(sink, 1)
    await using later = new Life(sink, 2)
    assert.deepEqual(asStored(await life.coordinator.fingerprint()), asStored(await later.coordinator.fingerprint()))
  })
}

function failureTests(open: () => Promise<OpenedSink>): void {
  test('what is rolled back never becomes visible, and the writer goes on under a new epoch', async () => {
    await using sink = await open()
    await using life = new Life(sink, 1)
    const writer = await life.writer(1)
    await life.write(writer, 0, 5)
    await writer.rollback()
    const again = { checkpoint: 1, ticket: await life.coordinator.begin(1, 2) }
    epochs.set(life.coordinator, 2)
    writer.begin(again.checkpoint, again.ticket)
    await life.write(writer, 0, 3)
    const { committables, counts } = await writer.cut({ checkpoint: 2, ticket: await life.coordinator.begin(2, 2) })
    assert.equal(counts.rows, 3)
    await commitAll(life.coordinator, 1, await life.combine(1, committables))
    await see(sink, ids(0, 3))
  })

  test('an aborted checkpoint cannot be committed any more, and the sink does not claim that it was', async () => {
    await using sink = await open()
    const prepared = await prepareAndLeave(sink, 1, 0, 10)
    await using later = new Life(sink, 2)
    for (const { committable } of prepared) assert.equal(await later.coordinator.abort(committable), 'aborted')
    assert.ok(!(await states(later.coordinator, prepared)).some((state) => state === 'committed'))
    assert.ok(!(await commitAll(later.coordinator, 1, prepared)).some(isDone))
    await see(sink, [])
  })

  test('a committed checkpoint is not aborted', async () => {
    await using sink = await open()
    await using life = new Life(sink, 1)
    const prepared = await life.prepare(1, 0, 10)
    await commitAll(life.coordinator, 1, prepared)
    for (const { committable } of prepared) assert.equal(await life.coordinator.abort(committable), 'committed')
    await see(sink, ids(0, 10))
  })
}

function sweepTests(open: () => Promise<OpenedSink>): void {
  test('a sweep takes what no checkpoint owns and leaves what one does', async () => {
    await using sink = await open()
    const kept = await prepareAndLeave(sink, 1, 0, 10)
    const lost = await prepareAndLeave(sink, 1, 10, 20, 2)
    await using later = new Life(sink, 2)
    const runs = [{ epoch: 1, from: 2, to: 3 }]
    await later.coordinator.sweep(scope(2, kept, runs))
    // Again, as after a start that was killed in it.
    await later.coordinator.sweep(scope(2, kept, runs))
    assert.ok(!(await commitAll(later.coordinator, 2, lost)).some(isDone))
    assert.ok((await commitAll(later.coordinator, 1, kept)).every(isDone))
    await see(sink, ids(0, 10))
  })

  test('a sweep reaches only below its epoch', async () => {
    await using sink = await open()
    const successor = await prepareAndLeave(sink, 3, 0, 10)
    await using old = new Life(sink, 2)
    await old.coordinator.sweep(scope(2, [], [{ epoch: 1, from: 1, to: 2 }]))
    await using later = new Life(sink, 3)
    assert.ok((await commitAll(later.coordinator, 1, successor)).every(isDone))
    await see(sink, ids(0, 10))
  })
}

function traceTests(open: () => Promise<OpenedSink>): void {
  test('a target that nobody has written to holds no traces', async () => {
    await using sink = await open()
    await using life = new Life(sink, 1)
    assert.deepEqual(await life.coordinator.findTraces(1, 0), [])
  })

  test('what an earlier life has committed is a trace for every epoch, and looking changes nothing', async () => {
    await using sink = await open()
    const prepared = await prepareAndLeave(sink, 1, 0, 10)
    await using later = new Life(sink, 2)
    await commitAll(later.coordinator, 1, prepared)
    for (const own of [1, 2, 3]) assert.notDeepEqual(await later.coordinator.findTraces(own, 0), [])
    await see(sink, ids(0, 10))
  })

  test('what is prepared is a trace where no start of this log can have left it', async () => {
    await using sink = await open()
    const prepared = await prepareAndLeave(sink, 1, 0, 10)
    await using later = new Life(sink, 2)
    assert.notDeepEqual(await later.coordinator.findTraces(1, 0), [])
    assert.deepEqual(await later.coordinator.findTraces(2, 0), [], 'the sweep of epoch 2 takes it')
    assert.ok((await commitAll(later.coordinator, 1, prepared)).every(isDone), 'it can still be committed')
  })
}

/** A process that prepares a checkpoint and dies: nothing is told to the sink. */
async function prepareAndLeave(
  sink: OpenedSink,
  epoch: number,
  from: number,
  to: number,
  checkpoint = 1,
): Promise<GlobalCommittable[]> {
  await using life = new Life(sink, epoch)
  return await life.prepare(checkpoint, from, to)
}
