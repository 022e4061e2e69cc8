import { MICROS, quoteName, type Window } from '../../dataplane/index.ts'

/*
 * Windows as SQL over moments in microseconds. A window holds the moments from its start up to its end, which is not part
 * of it. Rows are first gathered by slices, pieces of time that lie whole in each window, and slices are given to windows.
 */

export type FixedWindow = Exclude<Window, { kind: 'session' }>

/** The greatest multiple of `step` (from `offset` on) that is not after the moment; also before 1970. */
function floorSql(moment: string, step: number, offset: number): string {
  const from = offset === 0 ? moment : `(${moment} - ${offset})`
  return `(${moment} - ((${from} % ${step}) + ${step}) % ${step})`
}

/** Length of the slices of a window. */
export function sliceOf(window: FixedWindow): number {
  switch (window.kind) {
    case 'tumbling':
      return window.size
    case 'hopping':
      return gcd(window.size, window.every)
    case 'cumulative':
      return window.every
  }
}

/** The start of the slice of a moment. */
export function sliceSql(window: FixedWindow, moment: string = quoteName(MICROS)): string {
  return floorSql(moment, sliceOf(window), window.offset)
}

/** An edge of each window of a slice, as an item of a SELECT that makes a row for each; and both edges, given that. */
export function windowsSql(
  window: FixedWindow,
  slice: string,
): { readonly edge: string; bounds(edge: string): { readonly start: string; readonly end: string } } {
  switch (window.kind) {
    case 'tumbling':
      return { edge: slice, bounds: (edge) => ({ start: edge, end: `${edge} + ${window.size}` }) }
    case 'hopping': {
      const last = floorSql(slice, window.every, window.offset)
      const edge = `unnest(range(${last}, ${slice} - ${window.size}, -${window.every}))`
      return { edge, bounds: (start) => ({ start, end: `${start} + ${window.size}` }) }
    }
    case 'cumulative': {
      const first = floorSql(slice, window.size, window.offset)
      const edge = `unnest(range(${slice} + ${window.every}, ${first} + ${window.size} + 1, ${window.every}))`
      // An end belongs to the window that it does not begin.
      return { edge, bounds: (end) => ({ start: floorSql(`(${end} - 1)`, window.size, window.offset), end }) }
    }
  }
}

/** The end of the last window that a moment belongs to: of a session, the one that it would make alone. */
export function lastEndSql(window: Window, moment: string = quoteName(MICROS)): string {
  switch (window.kind) {
    case 'tumbling':
      return `${floorSql(moment, window.size, window.offset)} + ${window.size}`
    case 'hopping':
      return `${floorSql(moment, window.every, window.offset)} + ${window.size}`
    case 'cumulative':
      return `${floorSql(moment, window.size, window.offset)} + ${window.size}`
    case 'session':
      return `${moment} + ${window.gap}`
  }
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
