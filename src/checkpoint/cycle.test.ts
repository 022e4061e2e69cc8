import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  startCycle,
  stepCycle,
  UNCONFIRMED_MAX,
  type CycleEffect,
  type CycleEvent,
  type CycleState,
  type End,
} from './cycle.ts'

const EVENTS = {
  read: { kind: 'read' },
  due: { kind: 'due' },
  ack0: { kind: 'acked', lane: 0 },
  ack1: { kind: 'acked', lane: 1 },
  published: { kind: 'published' },
  confirmed: { kind: 'confirmed', checkpoints: 1 },
  stop: { kind: 'end', as: 'stopped' },
  finish: { kind: 'end', as: 'finished' },
  rewound: { kind: 'rewound' },
} as const satisfies Record<string, CycleEvent>
type EventName = keyof typeof EVENTS

function t(...names: EventName[]): { state: CycleState; effects: CycleEffect[] } {
  let state = startCycle(2, 5, 0)
  const effects: CycleEffect[] = []
  for (const name of names) {
    const step = stepCycle(state, EVENTS[name])
    state = step.state
    effects.push(...step.effects)
  }
  return { state, effects }
}

const CUT: readonly EventName[] = ['read', 'due']
const PUBLISHED: readonly EventName[] = [...CUT, 'ack0', 'ack1', 'published']

/** Ways into each phase, and what every event does there: the phase after it and its effects. */
const TABLE: readonly (readonly [string, readonly EventName[], Readonly<Record<EventName, string>>])[] = [
  [
    'waiting, nothing read',
    [],
    {
      read: 'waiting',
      due: 'waiting',
      ack0: 'waiting',
      ack1: 'waiting',
      published: 'waiting',
      confirmed: 'waiting',
      stop: 'ended: end stopped',
      finish: 'ended: end finished',
      rewound: 'waiting',
    },
  ],
  [
    'waiting, dirty',
    ['read'],
    {
      read: 'waiting',
      due: 'cutting: barrier 5',
      ack0: 'waiting',
      ack1: 'waiting',
      published: 'waiting',
      confirmed: 'waiting',
      stop: 'cutting: last barrier 5',
      finish: 'cutting: last barrier 5',
      rewound: 'waiting',
    },
  ],
  [
    'waiting, dirty, too much unconfirmed, stop wanted',
    [...PUBLISHED, ...PUBLISHED, ...PUBLISHED, 'read', 'stop'],
    {
      read: 'waiting',
      due: 'waiting',
      ack0: 'waiting',
      ack1: 'waiting',
      published: 'waiting',
      confirmed: 'cutting: last barrier 8',
      stop: 'waiting',
      finish: 'waiting',
      rewound: 'ending',
    },
  ],
  [
    'cutting',
    CUT,
    {
      read: 'cutting',
      due: 'cutting',
      ack0: 'cutting',
      ack1: 'cutting',
      published: 'cutting',
      confirmed: 'cutting',
      stop: 'cutting',
      finish: 'cutting',
      rewound: 'waiting',
    },
  ],
  [
    'cutting, one lane missing',
    [...CUT, 'ack0'],
    {
      read: 'cutting',
      due: 'cutting',
      ack0: 'cutting',
      ack1: 'publishing: publish 5',
      published: 'cutting',
      confirmed: 'cutting',
      stop: 'cutting',
      finish: 'cutting',
      rewound: 'waiting',
    },
  ],
  [
    'publishing',
    [...CUT, 'ack0', 'ack1'],
    {
      read: 'publishing',
      due: 'publishing',
      ack0: 'publishing',
      ack1: 'publishing',
      published: 'waiting',
      confirmed: 'publishing',
      stop: 'publishing',
      finish: 'publishing',
      rewound: 'waiting',
    },
  ],
  [
    'publishing, the last one, stop wanted',
    ['read', 'stop', 'ack0', 'ack1'],
    {
      read: 'publishing',
      due: 'publishing',
      ack0: 'publishing',
      ack1: 'publishing',
      published: 'ending',
      confirmed: 'publishing',
      stop: 'publishing',
      finish: 'publishing',
      rewound: 'ended: end stopped',
    },
  ],
  [
    'ending',
    ['read', 'finish', 'ack0', 'ack1', 'published'],
    {
      read: 'ending',
      due: 'ending',
      ack0: 'ending',
      ack1: 'ending',
      published: 'ending',
      confirmed: 'ended: end finished',
      stop: 'ending',
      finish: 'ending',
      rewound: 'waiting',
    },
  ],
  [
    'ended',
    ['stop'],
    {
      read: 'ended',
      due: 'ended',
      ack0: 'ended',
      ack1: 'ended',
      published: 'ended',
      confirmed: 'ended',
      stop: 'ended',
      finish: 'ended',
      rewound: 'ended',
    },
  ],
]

for (const [name, way, cells] of TABLE) {
  test(`every event is answered: ${name}`, () => {
    for (const [event, expected] of Object.entries(cells)) {
      const before = t(...way)
      const { state, effects } = stepCycle(before.state, EVENTS[event as EventName])
      assert.equal([state.phase, ...effects.map(say)].join(': '), expected, `${name} × ${event}`)
    }
  })
}

test('docs/guarantees.md shows this table', () => {
  const page = readFileSync(new URL('../../docs/guarantees.md', import.meta.url), 'utf8')
  const shown = page.slice(page.indexOf('<!-- begin cycle -->'), page.indexOf('<!-- end cycle -->'))
  const rows = shown.split('\n').filter((line) => line.startsWith('|'))
  const cellsOf = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  const columns: EventName[] = ['read', 'due', 'ack1', 'published', 'confirmed', 'stop', 'finish', 'rewound']
  const expected = TABLE.map(([name, , cells]) => {
    const [phase] = name.split(',')
    return [name, ...columns.map((event) => (cells[event] === phase ? '' : cells[event]))]
  })
  assert.deepEqual(rows.slice(2).map(cellsOf), expected)
})

function say(effect: CycleEffect): string {
  if (effect.kind === 'end') return `end ${effect.as}`
  return effect.kind === 'barrier'
    ? `${effect.last ? 'last ' : ''}barrier ${effect.checkpoint}`
    : `publish ${effect.checkpoint}`
}

test('all input was read, but the last checkpoint failed: the job reads again before it is finished', () => {
  const { state, effects } = t('read', 'finish', 'ack0', 'rewound', 'confirmed', 'due', 'read', 'due')
  assert.equal(effects.filter((effect) => effect.kind === 'end').length, 0)
  // The rows come in again and the input has not ended yet: an ordinary checkpoint, not the last one.
  assert.deepEqual(effects.at(-1), { kind: 'barrier', checkpoint: 5, last: false })
  assert.equal(state.wanted, undefined)
})

test('a stop outlives a rewind, whichever end was asked for first', () => {
  for (const ways of [['stop'], ['stop', 'finish'], ['finish', 'stop']] as const) {
    const { effects } = t('read', ...ways, 'rewound')
    assert.deepEqual(effects.at(-1), { kind: 'end', as: 'stopped' })
  }
})

test('rows that are read while a checkpoint is cut or published make the next one', () => {
  for (const way of [
    [...CUT, 'read', 'ack0', 'ack1', 'published'],
    [...CUT, 'ack0', 'ack1', 'read', 'published'],
  ] as const) {
    assert.deepEqual(t(...way, 'due').effects.at(-1), { kind: 'barrier', checkpoint: 6, last: false })
    assert.deepEqual(t(...way, 'stop').effects.at(-1), { kind: 'barrier', checkpoint: 6, last: true })
  }
})

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
