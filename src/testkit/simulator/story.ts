import type { VirtualTime } from './virtual-time.ts'

/** What happened, for people; and a hash of it, by which two runs of one seed are compared. */
export class Story {
  readonly #time: VirtualTime
  readonly #isKept: boolean
  readonly lines: string[] = []
  #hash = 0x811c9dc5

  constructor(time: VirtualTime, isKept: boolean) {
    this.#time = time
    this.#isKept = isKept
  }

  tell(who: string, what: string): void {
    const line = `${this.#time.now.toFixed(1).padStart(10)} ms  ${who.padEnd(7)} ${what}`
    if (this.#isKept) this.lines.push(line)
    let hash = this.#hash
    for (let at = 0; at < line.length; at++) hash = Math.imul(hash ^ line.charCodeAt(at), 0x01000193)
    this.#hash = hash
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }
}
