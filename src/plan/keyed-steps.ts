import type { Routing } from '../core/connector.ts'
import { innerColumns, type AggregateWork, type EventTimeWork } from '../dataplane/aggregate-work.ts'
import type { DeduplicateWork } from '../dataplane/deduplicate-work.ts'
import { joinColumns, type JoinWork } from '../dataplane/join-work.ts'
import { quoteName } from '../dataplane/sql-text.ts'
import type { EdgeNote } from './assemble.ts'
import { formatBody } from './bodies.ts'
import { TABLE } from './exchange-steps.ts'
import { lateOf } from './graph.ts'
import type { Edge, ExchangeStep, Step } from './plan.ts'

/** Makes the steps, given who reads each of their ports. */
export type KeyedSteps = (readers: (port: string) => readonly Edge[]) => readonly Step[]

interface KeyedPart {
  /** The step that takes the rows. */
  readonly first: string
  readonly notes: readonly EdgeNote[]
  readonly steps: KeyedSteps
}

/** What keeps something by key, as steps: looked at where the rows are read, brought together by key, kept there. */
export function keyedSteps(
  work: AggregateWork | DeduplicateWork,
  sources: readonly string[],
  lanes: number,
): KeyedPart {
  return 'parts' in work ? aggregateSteps(work, sources, lanes) : deduplicateSteps(work, sources, lanes)
}

function aggregateSteps(work: AggregateWork, sources: readonly string[], lanes: number): KeyedPart {
  const { id, groupBy } = work
  const first = `${id}.partial`
  const between = exchangeOf(id, groupBy, lanes, { schema: [], inner: innerColumns(work) })
  const to = between?.id ?? id
  return {
    first,
    notes: [note(first, to, 'partial results'), ...notesOf(between, 'partial results of all lanes')],
    steps: (readers) => [
      { kind: 'partial', id: first, work, sources, outputs: [{ to }], late: readers(lateOf(id)) },
      ...(between === undefined ? [] : [between]),
      { kind: 'aggregate', id, work, outputs: readers(id) },
    ],
  }
}

function deduplicateSteps(work: DeduplicateWork, sources: readonly string[], lanes: number): KeyedPart {
  const { id, key, input, time } = work
  const between = exchangeOf(id, key, lanes, { schema: input })
  const kept = between?.id ?? id
  const behind: KeyedSteps = (readers) => [
    ...(between === undefined ? [] : [between]),
    { kind: 'deduplicate', id, work, outputs: readers(id) },
  ]
  const notes = notesOf(between, 'rows of all lanes')
  if (time === undefined) return { first: kept, notes, steps: behind }
  const first = `${id}.intake`
  const timed: DeduplicateWork & { readonly time: EventTimeWork } = { ...work, time }
  return {
    first,
    notes: [note(first, kept, 'rows that are not late'), ...notes],
    steps: (readers) => [
      { kind: 'intake', id: first, work: timed, sources, outputs: [{ to: kept }], late: readers(lateOf(id)) },
      ...behind(readers),
    ],
  }
}

/** Both sides in one form, so that one exchange brings them together and one step keeps them. */
export function joinSteps(
  work: JoinWork,
  sources: readonly string[],
  lanes: number,
): Omit<KeyedPart, 'first'> & { readonly first: readonly [left: string, right: string] } {
  const { id, key } = work
  const names = key.map(({ name }) => name)
  const between = exchangeOf(id, names, lanes, { schema: [], inner: joinColumns(work) })
  const to = between?.id ?? id
  const first = [`${id}.left`, `${id}.right`] as const
  const intake = (side: 'left' | 'right', late: readonly Edge[]): Step => {
    return { kind: 'join-intake', id: `${id}.${side}`, work, side, sources, outputs: [{ to }], late }
  }
  return {
    first,
    notes: [...first.map((from) => note(from, to, 'rows that are not late')), ...notesOf(between, 'rows of all lanes')],
    steps: (readers) => [
      intake('left', readers(`${id}.late.left`)),
      intake('right', readers(`${id}.late.right`)),
      ...(between === undefined ? [] : [between]),
      {
        kind: 'join',
        id,
        work,
        outputs: readers(id),
        unmatchedLeft: readers(`${id}.unmatched.left`),
        unmatchedRight: readers(`${id}.unmatched.right`),
      },
    ],
  }
}

function exchangeOf(
  id: string,
  key: readonly string[],
  lanes: number,
  rows: Pick<ExchangeStep, 'schema' | 'inner'>,
): ExchangeStep | undefined {
  if (lanes === 1) return undefined
  const routing: Routing = { key: key.map(quoteName), together: 'must', why: 'one lane keeps what is known of a key' }
  return { kind: 'exchange', id: `${id}.exchange`, routing, ...rows, outputs: [{ to: id }] }
}

function notesOf(between: ExchangeStep | undefined, why: string): EdgeNote[] {
  return (between?.outputs ?? []).map(({ to }) => note(between?.id ?? '', to, why))
}

function note(from: string, to: string, why: string): EdgeNote {
  return { from, rows: from, to, body: formatBody(TABLE), why }
}
