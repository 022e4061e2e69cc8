import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { startCycle, stepCycle, UNCONFIRMED_MAX, type CycleEffect, type CycleEvent, type End } from './cycle.ts'

/** A job around the machine: lanes that read, and stop at the last barrier; a log; a sink. It keeps its own books. */
class World {
  state = startCycle(3, 1, 0)
  /** Input left, and rows by where they are. */
  left: number
  open = 0
  cut = 0
  published = 0
  laneDirty = false
  acks = new Set<number>()
  unconfirmed: number[] = []
  ended: End[] = []
  reading = true
  lastCut = false
  barrier: { checkpoint: number; last: boolean; arrived: boolean } | undefined
  publishing: number | undefined
  lastPublished = 0
  readonly total: number

  constructor(rows: number) {
    this.total = rows
    this.left = rows
  }

  feed(event: CycleEvent): void {
    const { state, effects } = stepCycle(this.state, event)
    this.state = state
    for (const effect of effects) this.#perform(effect)
    assert.ok(this.state.unconfirmed === this.unconfirmed.length, 'it counts what is unconfirmed')
    assert.ok(this.unconfirmed.length <= UNCONFIRMED_MAX, 'not too much is unconfirmed')
  }

  #perform(effect: CycleEffect): void {
    assert.equal(this.ended.length, 0, 'nothing happens after the end')
    switch (effect.kind) {
      case 'barrier':
        assert.equal(this.barrier, undefined, 'one barrier at a time')
        assert.equal(this.publishing, undefined, 'no barrier while a checkpoint is published')
        assert.equal(effect.checkpoint, this.lastPublished + 1)
        this.barrier = { checkpoint: effect.checkpoint, last: effect.last, arrived: false }
        break
      case 'publish':
        assert.equal(this.acks.size, 3, 'all lanes acked before publishing')
        this.publishing = effect.checkpoint
        break
      case 'end':
        assert.equal(this.unconfirmed.length, 0, 'it ends when everything is confirmed')
        if (effect.as === 'finished') {
          assert.equal(this.published, this.total, 'a finished job has published every row')
        }
        this.ended.push(effect.as)
    }
  }

  /** A batch of rows passes a lane. */
  read(rows: number): void {
    const taken = Math.min(rows, this.left)
    if (!this.reading || taken === 0) return
    this.left -= taken
    this.open += taken
    if (!this.laneDirty) {
      this.laneDirty = true
      this.feed({ kind: 'read' })
    }
    if (this.left === 0) this.feed({ kind: 'end', as: 'finished' })
  }

  /** The barrier reaches the lanes: what was read so far belongs to the checkpoint. */
  arrive(): void {
    if (this.barrier === undefined || this.barrier.arrived) return
    this.barrier.arrived = true
    this.cut = this.open
    this.open = 0
    this.laneDirty = false
    this.lastCut = this.barrier.last
    if (this.barrier.last) this.reading = false
  }

  ack(lane: number): void {
    if (this.barrier?.arrived !== true || this.acks.has(lane)) return
    this.acks.add(lane)
    this.feed({ kind: 'acked', lane })
  }

  publish(): void {
    if (this.publishing === undefined) return
    this.published += this.cut
    this.lastPublished = this.publishing
    this.unconfirmed.push(this.publishing)
    this.cut = 0
    this.publishing = undefined
    this.barrier = undefined
    this.acks.clear()
    this.feed({ kind: 'published' })
  }

  confirm(): void {
    if (this.unconfirmed.shift() !== undefined) this.feed({ kind: 'confirmed', checkpoints: 1 })
  }

  /** As the run does it: publishing is waited for, or fails; then everything open is read again. */
  rewind(published: boolean): void {
    if (published) this.publish()
    if (this.ended.length > 0) return
    this.barrier = undefined
    this.publishing = undefined
    this.acks.clear()
    this.left = this.total - this.published
    this.open = 0
    this.cut = 0
    this.laneDirty = false
    this.feed({ kind: 'rewound' })
    this.reading = this.state.phase !== 'ending' && this.state.phase !== 'ended'
    if (this.reading && this.left === 0) this.feed({ kind: 'end', as: 'finished' })
  }

  stop(): void {
    this.feed({ kind: 'end', as: 'stopped' })
  }

  /** Nothing bad happens any more: it has to come to its end. */
  settle(): void {
    for (let turn = 0; turn < 1000 && this.ended.length === 0; turn++) {
      this.read(7)
      this.feed({ kind: 'due' })
      this.arrive()
      for (const lane of [0, 1, 2]) this.ack(lane)
      this.publish()
      this.confirm()
    }
  }
}

const action = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 9 }).map((rows) => ({ do: 'read' as const, rows })) },
  { weight: 3, arbitrary: fc.constant({ do: 'due' as const }) },
  { weight: 3, arbitrary: fc.constant({ do: 'arrive' as const }) },
  { weight: 6, arbitrary: fc.nat({ max: 2 }).map((lane) => ({ do: 'ack' as const, lane })) },
  { weight: 2, arbitrary: fc.constant({ do: 'publish' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'confirm' as const }) },
  { weight: 1, arbitrary: fc.boolean().map((published) => ({ do: 'rewind' as const, published })) },
  { weight: 1, arbitrary: fc.constant({ do: 'stop' as const }) },
)

test('whatever happens in whatever order, a run ends once, with nothing lost and everything confirmed', () => {
  fc.assert(
    fc.property(fc.nat({ max: 60 }), fc.array(action, { maxLength: 120 }), (rows, actions) => {
      const world = new World(rows)
      if (rows === 0) world.feed({ kind: 'end', as: 'finished' })
      for (const step of actions) {
        if (step.do === 'read') world.read(step.rows)
        if (step.do === 'due') world.feed({ kind: 'due' })
        if (step.do === 'arrive') world.arrive()
        if (step.do === 'ack') world.ack(step.lane)
        if (step.do === 'publish') world.publish()
        if (step.do === 'confirm') world.confirm()
        if (step.do === 'rewind') world.rewind(step.published)
        if (step.do === 'stop') world.stop()
        assert.equal(world.published + world.cut + world.open + world.left, world.total, 'no row is lost')
        if (world.lastCut && !world.reading) assert.equal(world.open, 0, 'nothing is read after the last barrier')
      }
      world.settle()
      assert.equal(world.ended.length, 1)
    }),
    { numRuns: 2000 },
  )
})
