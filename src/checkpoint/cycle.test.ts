import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startCycle, stepCycle, type CycleEffect, type CycleEvent, type CycleState } from './cycle.ts'

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
