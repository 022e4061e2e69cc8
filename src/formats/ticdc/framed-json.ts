import { BadMessage } from '../changes/json-members.ts'

/** Pieces of `[length u64][bytes]`, behind each other, as pairs of `from` and `to`. */
export function framesOf(buffer: Buffer, from: number, to: number): number[] {
  const frames: number[] = []
  for (let at = from; at < to;) {
    const length = at + 8 <= to ? buffer.readBigUInt64BE(at) : -1n
    const start = at + 8
    if (length < 0n || BigInt(start) + length > BigInt(to))
      throw new BadMessage('a piece of it is longer than the message')
    at = start + Number(length)
    frames.push(start, at)
  }
  return frames
}

const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 }

/** Bytes that were written as Go quotes a string: `\x89PNG\r\n`. */
export function unquotedBytes(text: string): Buffer {
  const parts: Buffer[] = []
  const pattern = /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|[^\\]+/gs
  for (const [whole, escape] of text.matchAll(pattern)) {
    if (escape === undefined) parts.push(Buffer.from(whole))
    else if (escape.length === 3 && escape[0] === 'x') parts.push(Buffer.from(escape.slice(1), 'hex'))
    else if (escape.length > 1) parts.push(Buffer.from(String.fromCodePoint(Number.parseInt(escape.slice(1), 16))))
    else parts.push(Buffer.from([ESCAPES[escape] ?? escape.charCodeAt(0)]))
  }
  return Buffer.concat(parts)
}
