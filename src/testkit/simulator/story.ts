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

  tell(who: string, what: string, detail = ''): void {
    const { now } = this.#time
    if (this.#isKept) this.lines.push(`${now.toFixed(1).padStart(10)} ms  ${who.padEnd(7)} ${what}${detail}`)
    this.#mix(Math.floor(now * 1000))
    this.#mix(hashOf(who))
    this.#mix(hashOf(what) + hashOf(detail))
  }

  #mix(part: number): void {
    const mixed = Math.imul(this.#hash ^ part, 0x01000193)
    this.#hash = mixed ^ (mixed >>> 15)
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }
}

/** The same few words are told again and again. */
const known = new Map<string, number>()

function hashOf(text: string): number {
  let hash = known.get(text)
  if (hash !== undefined) return hash
  hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  if (known.size < 10_000) known.set(text, hash)
  return hash
}
