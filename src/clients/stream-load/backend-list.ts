import type { HttpReply } from './reply-parser.ts'

/** Sends one GET with credentials to the FE that is to vouch for its backends. */
export type AskFrontend = (path: string) => Promise<HttpReply>

/** What one FE told: the addresses it vouches for, and the questions it did not answer. */
export interface BackendAnswer {
  /** Canonical `host:port`. */
  readonly authorities: readonly string[]
  readonly refusals: readonly string[]
}

/** How one kind of FE is asked for its nodes. */
export type BackendDirectory = (ask: AskFrontend) => Promise<BackendAnswer>

/** The addresses that configured FEs vouch for, by FE: one FE's word does not count for another. */
export class BackendList {
  readonly #directory: BackendDirectory
  readonly #known = new Map<string, ReadonlySet<string>>()
  readonly #asking = new Map<string, Promise<BackendAnswer>>()

  constructor(directory: BackendDirectory) {
    this.#directory = directory
  }

  /** Why a redirect to `authority` is not covered by the FE's own list; undefined when it is. Asks again on a miss. */
  async whyNot(authority: string, frontend: string, ask: AskFrontend): Promise<string | undefined> {
    if (this.#known.get(frontend)?.has(authority) === true) return undefined
    const asking = this.#asking.get(frontend) ?? this.#directory(ask)
    this.#asking.set(frontend, asking)
    try {
      const { authorities, refusals } = await asking
      this.#known.set(frontend, new Set(authorities))
      if (authorities.includes(authority)) return undefined
      const untold = refusals.length === 0 ? '' : ` (not answered: ${refusals.join('; ')})`
      return authorities.length === 0
        ? `the FE did not tell its backends${untold}`
        : `it is not among the ${authorities.length} nodes the FE lists${untold}`
    } finally {
      this.#asking.delete(frontend)
    }
  }
}
