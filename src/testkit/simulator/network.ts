import type { Random } from './random.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What becomes of a call, and how long its ways take. */
export interface Route {
  readonly fate: 'arrives' | 'request lost' | 'reply lost'
  readonly thereMs: number
  readonly backMs: number
}

const USUAL_MS = 2
const SLOW_MS = 300

/** The ways between processes and servers. */
export class Network {
  readonly #time: VirtualTime
  readonly #random: Random
  #lostRequests = 0
  #lostReplies = 0
  #blackHoleUntil = -1
  #slowUntil = -1

  constructor(time: VirtualTime, random: Random) {
    this.#time = time
    this.#random = random
  }

  loseRequests(calls: number): void {
    this.#lostRequests += calls
  }

  loseReplies(calls: number): void {
    this.#lostReplies += calls
  }

  swallow(ms: number): void {
    this.#blackHoleUntil = this.#time.now + ms
  }

  slowDown(ms: number): void {
    this.#slowUntil = this.#time.now + ms
  }

  recover(): void {
    this.#lostRequests = this.#lostReplies = 0
    this.#blackHoleUntil = this.#slowUntil = -1
  }

  route(): Route {
    const longest = this.#time.now < this.#slowUntil ? SLOW_MS : USUAL_MS
    return { thereMs: longest * this.#random.next(), backMs: longest * this.#random.next(), fate: this.#fate() }
  }

  #fate(): Route['fate'] {
    if (this.#time.now < this.#blackHoleUntil || this.#lostRequests > 0) {
      this.#lostRequests = Math.max(0, this.#lostRequests - 1)
      return 'request lost'
    }
    if (this.#lostReplies === 0) return 'arrives'
    this.#lostReplies -= 1
    return 'reply lost'
  }
}
