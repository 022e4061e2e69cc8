/**
 * Deterministic JSON rows of exactly 168 bytes, for benches that compare clients on the same data:
 *
 *     {"id":7,"ts":"2026-11-20T00:00:00.007","user_id":…,"event":"view","page":"/c/512","amount":318.77,"note":"…"}
 */
export const ROW_BYTES = 168

const EVENTS = ['click', 'view', 'buy', 'login', 'share', 'search', 'scroll']
const FILLER = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(6)

/** A source of rows with rising ids. The same arguments give the same rows. */
export class RowGenerator {
  #id: number
  // xorshift64 in two halves of 32 bits: bigints would take longer than everything else here.
  #high: number
  #low: number

  constructor(firstId = 0, seed = 0x2545f491) {
    this.#id = firstId
    this.#high = (seed ^ firstId) | 1
    this.#low = 0x4f6cdd1d
  }

  /** Writes `count` rows, each followed by one byte `separator`, to the start of `target`; returns the bytes written. */
  fill(target: Buffer, count: number, separator = 0x0a): number {
    let at = 0
    for (let row = 0; row < count; row++) {
      at += target.write(this.#next(), at, 'latin1')
      target[at++] = separator
    }
    return at
  }

  #next(): string {
    this.#step()
    const id = this.#id++
    const a = this.#high >>> 0
    const b = this.#low >>> 0
    const second = Math.floor(id / 1000)
    const time = `${two(Math.floor(second / 3600) % 24)}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}.${String(id % 1000).padStart(3, '0')}`
    const page = `/${'abcdefgh'[(b >>> 20) & 7]}/${(b >>> 10) % 1000}`
    const amount = `${(a >>> 2) % 1000}.${two((a >>> 12) % 100)}`
    const head = `{"id":${id},"ts":"2026-11-20T${time}","user_id":${b % 1_000_000},"event":"${EVENTS[b % 7]}","page":"${page}","amount":${amount},"note":"`
    const start = (a >>> 20) % 36
    return `${head}${FILLER.slice(start, start + ROW_BYTES - head.length - 2)}"}`
  }

  #step(): void {
    let high = this.#high
    let low = this.#low
    // x ^= x << 13; x ^= x >> 7; x ^= x << 17
    high ^= (high << 13) | (low >>> 19)
    low ^= low << 13
    low ^= (low >>> 7) | (high << 25)
    high ^= high >>> 7
    high ^= (high << 17) | (low >>> 15)
    low ^= low << 17
    this.#high = high
    this.#low = low
  }
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}
