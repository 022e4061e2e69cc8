import type { CheckpointId } from '../core/checkpoint-types.ts'

/**
 * The steady state of a run as a state machine (docs/guarantees.md shows the table):
 *
 *     waiting ── due ──► cutting ── every lane acked ──► publishing ── published ──► waiting
 *        │ stop/drained and nothing new                        │ it was the last one
 *        └──────────────► ending ── everything confirmed ──► ended
 *
 * Pure: the coordinator feeds events and carries out the effects. Commits run beside this machine; it only counts
 * checkpoints that are published and not confirmed, and stops cutting when there are too many.
 */
export type Phase = 'waiting' | 'cutting' | 'publishing' | 'ending' | 'ended'
export type End = 'stopped' | 'finished'

export interface CycleState {
  readonly phase: Phase
  /** The checkpoint that rows go into now; while cutting and publishing, the one being cut. */
  readonly checkpoint: CheckpointId
  readonly lanes: number
  readonly acked: readonly number[]
  /** Published and not confirmed. */
  readonly unconfirmed: number
  /** Something was read since the last barrier. */
  readonly dirty: boolean
  /** The run shall end after one more checkpoint. */
  readonly wanted: End | undefined
  /** The barrier under way is the last one: lanes read nothing after it. */
  readonly last: boolean
}

export type CycleEvent =
  | { readonly kind: 'read' }
  | { readonly kind: 'due' }
  | { readonly kind: 'acked'; readonly lane: number }
  | { readonly kind: 'published' }
  | { readonly kind: 'confirmed'; readonly checkpoints: number }
  | { readonly kind: 'end'; readonly as: End }
  | { readonly kind: 'rewound' }

export type CycleEffect =
  | { readonly kind: 'barrier'; readonly checkpoint: CheckpointId; readonly last: boolean }
  | { readonly kind: 'publish'; readonly checkpoint: CheckpointId }
  | { readonly kind: 'end'; readonly as: End }

export interface CycleStep {
  readonly state: CycleState
  readonly effects: readonly CycleEffect[]
}

/** With more published and unconfirmed checkpoints than this, no further one is cut and the sources come to rest. */
export const UNCONFIRMED_MAX = 3

export function startCycle(lanes: number, next: CheckpointId, unconfirmed: number): CycleState {
  return {
    phase: 'waiting',
    checkpoint: next,
    lanes,
    acked: [],
    unconfirmed,
    dirty: false,
    wanted: undefined,
    last: false,
  }
}

type Handlers = {
  readonly [K in CycleEvent['kind']]: (state: CycleState, event: CycleEvent & { kind: K }) => CycleStep
}

const stay = (state: CycleState): CycleStep => ({ state, effects: [] })
const markRead = (state: CycleState): CycleStep => stay(state.dirty ? state : { ...state, dirty: true })
/** A stop outranks the end of the input: it holds over a rewind, while the input has to end once more. */
const want = (state: CycleState, event: { as: End }): CycleState => ({
  ...state,
  wanted: event.as === 'stopped' ? 'stopped' : (state.wanted ?? event.as),
})
const wantEnd = (state: CycleState, event: { as: End }): CycleStep => stay(want(state, event))
/**
 * A soft rewind: the checkpoint under way is thrown away, its number is filled again under the next attempt. Input that
 * had been read to its end is read again, so the job is not finished before the lanes say so once more. A job that was
 * told to stop has nothing that is worth reading again: the next start does it.
 */
const rewind = (state: CycleState): CycleStep => {
  const wanted = state.wanted === 'stopped' ? 'stopped' : undefined
  const back: CycleState = { ...state, phase: 'waiting', acked: [], dirty: false, last: false, wanted }
  return wanted === undefined ? stay(back) : cutOrEnd(back)
}
const countConfirmed = (state: CycleState, event: { checkpoints: number }): CycleState => ({
  ...state,
  unconfirmed: state.unconfirmed - event.checkpoints,
})

const TABLE: { readonly [P in Phase]: Handlers } = {
  waiting: {
    read: markRead,
    due: (state) => cutOrEnd(state),
    acked: stay,
    published: stay,
    confirmed: (state, event) => {
      const counted = countConfirmed(state, event)
      return counted.wanted === undefined ? stay(counted) : cutOrEnd(counted)
    },
    end: (state, event) => cutOrEnd(want(state, event)),
    rewound: rewind,
  },
  cutting: {
    read: markRead,
    due: stay,
    acked: (state, event) => {
      const acked = state.acked.includes(event.lane) ? state.acked : [...state.acked, event.lane]
      if (acked.length < state.lanes) return stay({ ...state, acked })
      return {
        state: { ...state, phase: 'publishing', acked: [] },
        effects: [{ kind: 'publish', checkpoint: state.checkpoint }],
      }
    },
    published: stay,
    confirmed: (state, event) => stay(countConfirmed(state, event)),
    end: wantEnd,
    rewound: rewind,
  },
  publishing: {
    read: markRead,
    due: stay,
    acked: stay,
    published: (state) => {
      const next: CycleState = {
        ...state,
        checkpoint: state.checkpoint + 1,
        unconfirmed: state.unconfirmed + 1,
        phase: state.last ? 'ending' : 'waiting',
      }
      return next.phase === 'waiting' && next.wanted !== undefined ? cutOrEnd(next) : stay(next)
    },
    confirmed: (state, event) => stay(countConfirmed(state, event)),
    end: wantEnd,
    rewound: rewind,
  },
  ending: {
    read: stay,
    due: stay,
    acked: stay,
    published: stay,
    confirmed: (state, event) => endWhenConfirmed(countConfirmed(state, event)),
    end: stay,
    rewound: rewind,
  },
  ended: { read: stay, due: stay, acked: stay, published: stay, confirmed: stay, end: stay, rewound: stay },
}

export function stepCycle(state: CycleState, event: CycleEvent): CycleStep {
  const handler = TABLE[state.phase][event.kind] as (state: CycleState, event: CycleEvent) => CycleStep
  return handler(state, event)
}

function cutOrEnd(state: CycleState): CycleStep {
  const ending = state.wanted !== undefined
  if (state.dirty && state.unconfirmed < UNCONFIRMED_MAX) {
    return {
      state: { ...state, phase: 'cutting', acked: [], dirty: false, last: ending },
      effects: [{ kind: 'barrier', checkpoint: state.checkpoint, last: ending }],
    }
  }
  if (ending && !state.dirty) return endWhenConfirmed({ ...state, phase: 'ending' })
  return stay(state)
}

function endWhenConfirmed(state: CycleState): CycleStep {
  if (state.unconfirmed > 0 || state.wanted === undefined) return stay(state)
  return { state: { ...state, phase: 'ended' }, effects: [{ kind: 'end', as: state.wanted }] }
}
