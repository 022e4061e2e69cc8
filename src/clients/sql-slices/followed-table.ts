import type { Cut } from './cut.ts'
import type { Horizon } from './horizon.ts'
import type { SessionPool } from './session-pool.ts'
import type { TableShape } from './table-shape.ts'

/** A table that several splits of a lane follow: they ask for its end together. */
export class FollowedTable {
  readonly shape: TableShape
  readonly #horizon: Horizon
  readonly #pool: SessionPool
  #asked: Promise<Cut | undefined> | undefined

  constructor(shape: TableShape, horizon: Horizon, pool: SessionPool) {
    this.shape = shape
    this.#horizon = horizon
    this.#pool = pool
  }

  /** Up to where the table is finished, at a moment behind this call or while another call waits for the same. */
  async end(signal: AbortSignal): Promise<Cut | undefined> {
    const asked = (this.#asked ??= this.#find(signal))
    return await asked
  }

  async #find(signal: AbortSignal): Promise<Cut | undefined> {
    try {
      return await this.#pool.use(async (session) => await this.#horizon.find(session, signal))
    } finally {
      this.#asked = undefined
    }
  }
}
