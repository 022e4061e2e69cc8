import { randomUUID } from 'node:crypto'
import type { HttpAnswer } from './answers.ts'

export type SlsOperation =
  | 'listShards'
  | 'getCursor'
  | 'getCursorTime'
  | 'pullLogs'
  | 'putLogs'
  | 'getLogstore'
  | 'split'
  | 'merge'
  | 'consumerGroup'

/** Which requests a rule is about; what is left out matches everything. */
export interface SlsFaultMatch {
  readonly operation?: SlsOperation
  readonly shard?: number
  /** Acts from the n-th match on; 1 (the default) is the first. */
  readonly nth?: number
  /** How often it acts. Default 1; 0 means always. */
  readonly times?: number
  /** Acts on every n-th match only: 20 is five per cent. Default 1. */
  readonly every?: number
}

export type SlsFaultAction =
  /** Close the connection before anything is done. */
  | 'drop-request'
  /** Do the work, then close the connection. */
  | 'drop-reply'
  /** Wait `ms` (real time) before doing anything. */
  | 'delay'
  /** Answer with `status` and the error `code` without doing the work. */
  | 'error'
  /** Answer 502 with the HTML of a gateway in front. */
  | 'gateway'
  /** Of an answer with logs: half of the body, then the connection breaks. */
  | 'short-body'
  /** Of an answer with logs: a complete answer whose compressed block lacks its last bytes. */
  | 'cut-block'
  /** Of an answer with logs: bytes in the middle of the compressed block are others. */
  | 'garbled-block'
  /** Of an answer with logs: a well compressed list whose last group breaks off. */
  | 'broken-list'
  /** Of an answer with logs: `x-log-bodyrawsize` is too small, or with `by` too large. */
  | 'wrong-raw-size'
  | 'wrong-count'
  | 'no-cursor'

export interface SlsFaultRule {
  readonly match?: SlsFaultMatch
  readonly action: SlsFaultAction
  readonly ms?: number
  readonly status?: number
  readonly code?: string
  readonly by?: number
}

interface Armed {
  readonly rule: SlsFaultRule
  seen: number
  acted: number
}

/** The rules in force. All rules that match a request act on it, in the order they were added. */
export class SlsFaults {
  readonly #armed = new Map<string, Armed>()

  add(rule: SlsFaultRule): string {
    const id = randomUUID()
    this.#armed.set(id, { rule, seen: 0, acted: 0 })
    return id
  }

  remove(id: string): void {
    this.#armed.delete(id)
  }

  take(operation: SlsOperation, shard: number | undefined): readonly SlsFaultRule[] {
    const acting: SlsFaultRule[] = []
    for (const armed of this.#armed.values()) {
      const { match = {} } = armed.rule
      if (match.operation !== undefined && match.operation !== operation) continue
      if (match.shard !== undefined && match.shard !== shard) continue
      const { times = 1, nth = 1, every = 1 } = match
      armed.seen += 1
      if (armed.seen < nth || (armed.seen - nth) % every !== 0 || (times > 0 && armed.acted >= times)) continue
      armed.acted += 1
      acting.push(armed.rule)
    }
    return acting
  }
}

/** What a rule makes of an answer; undefined closes the connection without one. */
export function spoil(answer: HttpAnswer, { action, by }: SlsFaultRule): HttpAnswer | undefined {
  const { body, headers } = answer
  const change = (name: string, to: string | undefined): HttpAnswer => {
    const { [name]: _, ...rest } = headers
    return { ...answer, headers: to === undefined ? rest : { ...rest, [name]: to } }
  }
  if (action === 'drop-reply') return undefined
  if (action === 'no-cursor') return change('x-log-cursor', undefined)
  if (headers['x-log-count'] === undefined || headers['x-log-count'] === '0') return answer
  switch (action) {
    case 'short-body':
      return { ...answer, sentBytes: Math.floor(body.length / 2) }
    case 'cut-block':
      return { ...answer, body: body.subarray(0, Math.max(1, body.length - 7)) }
    case 'garbled-block':
      return { ...answer, body: garbled(body) }
    case 'wrong-raw-size':
      return change('x-log-bodyrawsize', String(Number(headers['x-log-bodyrawsize']) + (by ?? -1)))
    case 'wrong-count':
      return change('x-log-count', String(Number(headers['x-log-count']) + (by ?? 1)))
    default:
      return answer
  }
}

function garbled(body: Buffer): Buffer {
  const changed = Buffer.from(body)
  const middle = changed.length >>> 1
  for (let at = middle; at < Math.min(changed.length, middle + 8); at++) changed[at] = (changed[at] ?? 0) ^ 0x5a
  return changed
}
