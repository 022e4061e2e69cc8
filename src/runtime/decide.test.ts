import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Answer, DecisionCase } from '../checkpoint/decision-case.ts'
import { foldLineage, type Lineage } from '../checkpoint/lineage.ts'
import type { Logger } from '../core/context.ts'
import type { MillraceError } from '../core/errors.ts'
import type { Plan } from '../plan/plan.ts'
import { Ledger } from '../storage/ledger.ts'
import { openStateDirectory } from '../storage/state-directory.ts'
import { openLocalLog } from '../storage/threaded-log.ts'
import { MODEL_CONNECTORS, modelPlan } from '../testkit/model/model-plan.ts'
import { visibleRows } from '../testkit/model/two-phase-sink.ts'
import { DecisionDesk } from './decision-desk.ts'
import { Job } from './job.ts'
import type { JobEvent } from './observer.ts'
import { systemClock } from './system-clock.ts'

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const SPLITS = 2
/** Three seconds of reading for a run that is watched: both lanes still read when it is stopped, on a busy machine too. */
const ROWS = 6000

/** A pipeline of two lanes from counted rows into the model server, which stands in `server`. */
class World implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'millrace-decide-'))
  readonly server: string = join(this.#directory, 'server')
  readonly #state = join(this.#directory, 'state')

  /** To the end as quickly as it goes, or with time for what `observe` does on the way. */
  async run(observe?: (event: JobEvent, job: Job) => void): Promise<void> {
    const plan = this.#plan(observe === undefined ? { batch: 200, pauseMs: 0 } : { batch: 20, pauseMs: 10 })
    await using log = this.#log()
    const job: Job = new Job({
      plan,
      connectors: MODEL_CONNECTORS,
      log,
      logger: silent,
      clock: systemClock,
      random: () => 0.5,
      observe: (event) => observe?.(event, job),
    })
    await job.run()
  }

  /**
   * Runs until the server forgets its labels, behind some confirmed checkpoint, when a next one with rows of both lanes
   * has just been published: nobody can tell about that one.
   */
  async runUntilForgotten(): Promise<void> {
    for (;;) {
      let confirmed = 0
      const halt = this.run((event) => {
        if (event.kind === 'confirmed') confirmed = event.checkpoint
        const isNext = event.kind === 'published' && confirmed > 0 && event.checkpoint === confirmed + 1
        if (isNext && event.committables.length === SPLITS) this.forget()
      })
      await assert.rejects(halt, (error: MillraceError) => error.code === 'OUTCOME_UNKNOWN' && error.exitCode === 68)
      const { pending, newest } = await this.lineage()
      // A busy machine may publish one more before it hears of the unknown one, which then cannot be taken back.
      if (pending.every(({ checkpoint }) => checkpoint === newest?.checkpoint)) return
      this.remember()
    }
  }

  /** Runs until the newest checkpoint has rows of both lanes and is confirmed by itself; gives its labels. */
  async runUntilBothVisible(): Promise<readonly string[]> {
    for (;;) {
      await this.run((event, job) => {
        // A little later, so that most stops find rows of both.
        if (event.kind === 'published' && event.committables.length === SPLITS) setTimeout(() => job.stop(), 60)
      })
      const { ended, confirmed, newest } = await this.lineage()
      assert.equal(ended, 'stopped', 'there is more to read')
      const labels = confirmed.map(({ committable }) => String(committable['label']))
      const isByItself = confirmed.every(({ checkpoint }) => checkpoint === newest?.checkpoint)
      if (isByItself && labels.length === SPLITS) return labels
    }
  }

  /** A world in which nothing but the very first checkpoint was published, and the server has forgotten it. */
  static async forgottenAtOnce(): Promise<World> {
    for (;;) {
      const world = new World()
      world.forget()
      await assert.rejects(
        world.run(() => undefined),
        { code: 'OUTCOME_UNKNOWN' },
      )
      const { newest, checkpoints } = await world.lineage()
      if (newest?.checkpoint === 1 && checkpoints.length === 1) return world
      world[Symbol.dispose]()
    }
  }

  forget(): void {
    mkdirSync(this.server, { recursive: true })
    writeFileSync(join(this.server, 'amnesia'), '')
  }

  remember(): void {
    rmSync(join(this.server, 'amnesia'))
  }

  prepared(): string[] {
    return readdirSync(join(this.server, 'prepared'))
  }

  /** Transactions of published checkpoints; others may be prepared besides, for one that was not published any more. */
  async pendingLabels(): Promise<string[]> {
    return (await this.lineage()).pending.map((item) => String(item.committable['label']))
  }

  /** The server is put back to a copy from before this transaction. */
  goBackBefore(label: string): void {
    rmSync(join(this.server, 'visible', label))
  }

  /** The server loses a prepared transaction. */
  lose(label: string): void {
    rmSync(join(this.server, 'prepared', label))
  }

  async lineage(): Promise<Lineage> {
    await using log = this.#log()
    return foldLineage(await Ledger.read(log))
  }

  async desk<T>(work: (desk: DecisionDesk) => Promise<T>): Promise<T> {
    await using log = this.#log()
    const { signal } = new AbortController()
    await using desk = await DecisionDesk.open({
      plan: this.#plan({ batch: 200, pauseMs: 0 }),
      connectors: MODEL_CONNECTORS,
      log,
      logger: silent,
      clock: systemClock,
      signal,
    })
    return await work(desk)
  }

  look(): Promise<DecisionCase> {
    return this.desk(async (desk) => {
      const found = await desk.look()
      assert.ok(found !== undefined, 'there is something to decide')
      return found
    })
  }

  decide(answer: Answer, options: { isNotThere?: boolean } = {}): Promise<void> {
    return this.desk(async (desk) => {
      const found = await desk.look()
      assert.ok(found !== undefined, 'there is something to decide')
      await desk.decide(found, { answer, by: 'tester', reason: 'test', isNotThere: options.isNotThere ?? false })
    })
  }

  visible(): { rows: number; distinct: number } {
    const rows = visibleRows(this.server)
    return { rows: rows.length, distinct: new Set(rows.map((row) => `${row.split}/${row.seq}`)).size }
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #log(): ReturnType<typeof openLocalLog> & AsyncDisposable {
    const log = openLocalLog(openStateDirectory(this.#state, 'job'), 'test')
    return { ...log, [Symbol.asyncDispose]: () => log.close() }
  }

  #plan(speed: { readonly batch: number; readonly pauseMs: number }): Plan {
    const source = { splits: SPLITS, rows: ROWS, ...speed }
    return modelPlan({ directory: this.#directory, source, lanes: 2, intervalMs: 150 })
  }
}

const COMPLETE = { rows: SPLITS * ROWS, distinct: SPLITS * ROWS }

test('a checkpoint that nobody can tell about is read again after a rewind: nothing is lost and nothing doubled', async () => {
  using world = new World()
  await world.runUntilForgotten()
  const { pending } = await world.lineage()
  const found = await world.look()
  assert.deepEqual([found.isProven, found.legal.includes('rewind')], [false, true])
  assert.equal(found.checkpoint, pending[0]?.checkpoint)
  await assert.rejects(world.decide('rewind'), /cannot tell.*--not-there/s)
  assert.deepEqual((await world.lineage()).pending, pending, 'a refused decision changes nothing')

  await world.decide('rewind', { isNotThere: true })
  const after = await world.lineage()
  assert.deepEqual(after.pending, [])
  assert.ok(after.nextCheckpoint > found.checkpoint, 'its number is not used again')
  world.remember()
  await world.run()
  assert.deepEqual(world.visible(), COMPLETE)
})

test('the very first checkpoint goes back to where the sources began, by a decision or by itself', async () => {
  for (const isDecided of [true, false]) {
    using world = await World.forgottenAtOnce()
    world.remember()
    for (const label of await world.pendingLabels()) world.lose(label)
    assert.ok((await world.look()).legal.includes('rewind'))
    if (isDecided) await world.decide('rewind')
    // More checkpoints than are kept.
    await world.run((event, job) => {
      if (event.kind === 'confirmed' && event.checkpoint === 6) job.stop()
    })
    await world.run()
    assert.deepEqual(world.visible(), COMPLETE)
    assert.equal((await world.lineage()).beginnings['numbers'], undefined, 'it went with the checkpoints')
  }
})

test('a rewind aborts what is still prepared, and a server that remembers needs nobody’s word', async () => {
  using world = new World()
  await world.runUntilForgotten()
  world.remember()
  assert.equal(await world.desk((desk) => desk.look()), undefined, 'all of it can be committed')
  const [first = ''] = await world.pendingLabels()
  world.lose(first)
  const { rows, isProven } = await world.look()
  assert.ok(rows > 0 && isProven)
  await world.decide('rewind')
  assert.deepEqual(world.prepared(), [])
  await world.run()
  assert.deepEqual(world.visible(), COMPLETE)
})

/** One lane's transaction is lost, the other lane's became visible: there is no way back. */
async function halfVisible(world: World): Promise<number> {
  await world.runUntilForgotten()
  world.remember()
  // They are committed in order: the first becomes visible before the loss of the second is noticed.
  const [, second = ''] = await world.pendingLabels()
  world.lose(second)
  await assert.rejects(world.run(), (error: MillraceError) => {
    assert.deepEqual([error.code, error.exitCode], ['PREPARED_LOST', 67])
    assert.deepEqual(error.detail['decisions'], ['mark-committed', 'accept-loss'])
    return true
  })
  const found = await world.look()
  assert.deepEqual(found.legal, ['mark-committed', 'accept-loss'])
  assert.match(found.noRewind ?? '', /visible in out/)
  await assert.rejects(world.decide('rewind'), /cannot be decided with rewind/)
  return found.rows
}

test('what is accepted as lost is exactly what is missing, and the job goes on', async () => {
  using world = new World()
  const lost = await halfVisible(world)
  await world.decide('accept-loss')
  await world.run()
  assert.deepEqual(world.visible(), { rows: COMPLETE.rows - lost, distinct: COMPLETE.rows - lost })
  assert.equal((await world.lineage()).ended, 'finished')
})

test('what is marked as committed is not written again', async () => {
  using world = new World()
  const marked = await halfVisible(world)
  await world.decide('mark-committed')
  await world.run()
  assert.equal(world.visible().rows, COMPLETE.rows - marked)
})

test('parts that are still prepared are committed before the rest is given up', async () => {
  using world = new World()
  await world.runUntilForgotten()
  world.remember()
  const [first = '', second = ''] = await world.pendingLabels()
  world.lose(first)
  const { rows } = await world.look()
  await world.decide('accept-loss')
  assert.ok(existsSync(join(world.server, 'visible', second)))
  await world.run()
  assert.equal(world.visible().rows, COMPLETE.rows - rows)
})

test('a decision is refused when the case has changed since it was looked at', async () => {
  using world = new World()
  await world.runUntilForgotten()
  await world.desk(async (desk) => {
    const seen = await desk.look()
    assert.ok(seen !== undefined)
    world.remember()
    const verdict = { answer: 'accept-loss', by: 'tester', reason: 'test', isNotThere: false } as const
    await assert.rejects(desk.decide(seen, verdict), /has changed/)
  })
  await world.run()
  assert.deepEqual(world.visible(), COMPLETE)
})

test('a server that was put back to an older state halts with 74, and what is missing is read again by a decision', async () => {
  using world = new World()
  const labels = await world.runUntilBothVisible()
  assert.equal(await world.desk((desk) => desk.look()), undefined, 'all that was confirmed is there')
  for (const label of labels) world.goBackBefore(label)
  await assert.rejects(world.run(), (error: MillraceError) => {
    assert.deepEqual([error.code, error.exitCode], ['SINK_WENT_BACK', 74])
    return true
  })
  assert.ok((await world.look()).legal.includes('rewind'))
  await world.decide('rewind')
  await world.run()
  assert.deepEqual(world.visible(), COMPLETE)
})

test('where only a part of the newest checkpoint is gone there is no way back, and the loss may be accepted', async () => {
  using world = new World()
  const labels = await world.runUntilBothVisible()
  world.goBackBefore(labels[0] ?? '')
  await assert.rejects(world.run(), { code: 'SINK_WENT_BACK' })
  const { legal, rows } = await world.look()
  assert.deepEqual(legal, ['mark-committed', 'accept-loss'])
  await world.decide('accept-loss')
  await world.run()
  const left = COMPLETE.rows - rows
  assert.deepEqual(world.visible(), { rows: left, distinct: left })
})
