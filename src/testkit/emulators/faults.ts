import { randomUUID } from 'node:crypto'

export type Operation =
  | 'begin'
  | 'load'
  | 'prepare'
  | 'commit'
  | 'rollback'
  | 'state'
  | 'cancel'
  | 'streamLoad'
  | 'twoPhaseCommit'
  | 'schema'

/**
 * Which requests a rule is about; what is left out matches everything. A call that is redirected is two requests, one at
 * the frontend and one at the backend: say `server` to mean one of them.
 */
export interface FaultMatch {
  readonly server?: 'frontend' | 'backend'
  readonly method?: string
  readonly operation?: Operation
  readonly table?: string
  /** Part of the label. */
  readonly label?: string
  /** Acts from the n-th match on; 1 (the default) is the first. */
  readonly nth?: number
  /** How often it acts. Default 1; 0 means always. */
  readonly times?: number
}

export type FaultAction =
  /** Close the connection before anything is done. */
  | 'drop-request'
  /** Do the work, then close the connection. */
  | 'drop-reply'
  /** Wait `ms` (real time) before doing anything. */
  | 'delay'
  /** Reply with `status` and `body` without doing the work. */
  | 'status'
  /** Break the connection after `bytes` of the body (default half of its Content-Length, else 1024). */
  | 'reset-mid-body'
  /** The transaction of the request's label times out first. */
  | 'expire-transaction'
  /** The frontend forgets the request's label first. */
  | 'evict-label'
  /** The leader frontend restarts first. */
  | 'restart-frontend'
  /** Reply 307 with `location`. */
  | 'redirect'
  /** Do the work, then send only half of the reply's JSON. */
  | 'garble'

export interface FaultRule {
  readonly match: FaultMatch
  readonly action: FaultAction
  readonly ms?: number
  readonly status?: number
  readonly body?: string
  readonly bytes?: number
  readonly location?: string
  /** For `expire-transaction`, `evict-label`, `restart-frontend`: `after` does the request's work first. Default `before`. */
  readonly when?: 'before' | 'after'
}

export interface FaultSubject {
  readonly role: 'frontend' | 'backend'
  readonly method: string
  readonly operation: Operation | undefined
  readonly table: string | undefined
  readonly label: string | undefined
}

interface Armed {
  readonly rule: FaultRule
  seen: number
  acted: number
}

/** The rules in force. All rules that match a request act on it, in the order they were added. */
export class Faults {
  readonly #armed = new Map<string, Armed>()

  add(rule: FaultRule): string {
    const id = randomUUID()
    this.#armed.set(id, { rule, seen: 0, acted: 0 })
    return id
  }

  remove(id: string): void {
    this.#armed.delete(id)
  }

  /** The rules that act on this request. Each call counts as one request. */
  take(subject: FaultSubject): readonly FaultRule[] {
    const acting: FaultRule[] = []
    for (const armed of this.#armed.values()) {
      const { match } = armed.rule
      if (!matches(match, subject)) continue
      armed.seen += 1
      const times = match.times ?? 1
      if (armed.seen < (match.nth ?? 1) || (times > 0 && armed.acted >= times)) continue
      armed.acted += 1
      acting.push(armed.rule)
    }
    return acting
  }
}

function matches(match: FaultMatch, subject: FaultSubject): boolean {
  return (
    (match.server === undefined || match.server === subject.role) &&
    (match.method === undefined || match.method.toUpperCase() === subject.method) &&
    (match.operation === undefined || match.operation === subject.operation) &&
    (match.table === undefined || match.table === subject.table) &&
    (match.label === undefined || (subject.label ?? '').includes(match.label))
  )
}
