import type { LaneDatabase } from '../lane-database.ts'

/**
 * A row group that is too large to lie in memory. It is copied piece by piece into the lane's file for large input and
 * read there, until something else is written into that file; then it is copied again. A lane reads one row group at
 * a time, so that this is rare.
 */
export class FiledRowGroup {
  readonly #database: LaneDatabase
  readonly #pieces: () => AsyncIterable<Uint8Array>
  #isWhole = false

  constructor(database: LaneDatabase, pieces: () => AsyncIterable<Uint8Array>) {
    this.#database = database
    this.#pieces = pieces
  }

  /** Runs `work` with the path of the whole file; nothing else uses the database meanwhile. */
  async use<T>(work: (path: string) => Promise<T>): Promise<T> {
    for (;;) {
      const done = await this.#database.exclusive(async () =>
        this.#isOurs && this.#isWhole ? { value: await work(this.#database.large.path) } : undefined,
      )
      if (done !== undefined) return done.value
      await this.#copy()
    }
  }

  /** Gives the room back. */
  async release(): Promise<void> {
    await this.#database.exclusive(async () => {
      if (!this.#isOurs) return
      this.#database.large.shrink()
      this.#database.large.holder = undefined
    })
  }

  get #isOurs(): boolean {
    return this.#database.large.holder === this
  }

  /** Ends early when somebody else takes the file. Fetching goes on while others work with the database. */
  async #copy(): Promise<void> {
    const { large } = this.#database
    let at = 0
    this.#isWhole = false
    await this.#database.exclusive(async () => {
      large.clear()
      large.holder = this
    })
    for await (const piece of this.#pieces()) {
      const isWritten = await this.#database.exclusive(async () => {
        if (this.#isOurs) large.put(piece, at)
        return this.#isOurs
      })
      if (!isWritten) return
      at += piece.length
    }
    this.#isWhole = true
  }
}
