import type { World } from '../world.ts'
import type { Credentials, CredentialSource } from './credentials.ts'

/** Temporary credentials are renewed this long before they expire. */
const EARLY_MS = 5 * 60_000
/** Between two tries to renew credentials that can still be used. */
const AGAIN_MS = 30_000

/** Credentials of one source, renewed in time. One renewal at a time, however many requests wait for it. */
export class CredentialCache {
  readonly #source: CredentialSource
  readonly #world: World
  #current: Credentials | undefined
  #loading: Promise<Credentials> | undefined
  #notBefore = 0

  constructor(source: CredentialSource, world: World) {
    this.#source = source
    this.#world = world
  }

  get sourceName(): string {
    return this.#source.name
  }

  async get(): Promise<Credentials> {
    const current = this.#current
    if (current === undefined) return this.#load()
    const now = this.#world.now()
    const left = (current.expiresAt ?? Number.POSITIVE_INFINITY) - now
    if (left > EARLY_MS || (left > 0 && now < this.#notBefore)) return current
    try {
      return await this.#load()
    } catch (error) {
      if (left <= 0) throw error
      this.#notBefore = now + AGAIN_MS
      return current
    }
  }

  /** The server said that these are not valid any more: the next `get` asks the source again. */
  expire(used: Credentials): void {
    if (this.#current === used) this.#current = undefined
  }

  #load(): Promise<Credentials> {
    this.#loading ??= this.#source
      .load()
      .then((loaded) => (this.#current = loaded))
      .finally(() => (this.#loading = undefined))
    return this.#loading
  }
}
