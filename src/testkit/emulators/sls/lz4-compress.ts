const HASH_BITS = 16
const MATCH_MIN = 4
/** The format wants the last five bytes as literals, and no match to begin in the last twelve. */
const TAIL = 12
const DISTANCE_MAX = 65_535

/** One raw LZ4 block, as the service sends it: no frame, no size (lz4 doc/lz4_Block_format.md). Greedy and plain. */
export function compressLz4Block(input: Buffer): Buffer {
  const output = Buffer.allocUnsafe(input.length + Math.ceil(input.length / 255) + 16)
  const heads = new Int32Array(1 << HASH_BITS).fill(-1)
  let to = 0
  let anchor = 0
  const writeLength = (length: number): void => {
    let rest = length - 15
    for (; rest >= 255; rest -= 255) output[to++] = 255
    output[to++] = rest
  }
  const writeLiterals = (end: number, matchCode: number): void => {
    const literals = end - anchor
    output[to++] = (Math.min(literals, 15) << 4) | Math.min(matchCode, 15)
    if (literals >= 15) writeLength(literals)
    to += input.copy(output, to, anchor, end)
  }
  for (let at = 0; at < input.length - TAIL;) {
    const word = input.readInt32LE(at)
    const hash = Math.imul(word, -1640531535) >>> (32 - HASH_BITS)
    const candidate = heads[hash] ?? -1
    heads[hash] = at
    if (candidate < 0 || at - candidate > DISTANCE_MAX || input.readInt32LE(candidate) !== word) {
      at++
      continue
    }
    let length = MATCH_MIN
    while (at + length < input.length - 5 && input[candidate + length] === input[at + length]) length++
    writeLiterals(at, length - MATCH_MIN)
    to = output.writeUInt16LE(at - candidate, to)
    if (length - MATCH_MIN >= 15) writeLength(length - MATCH_MIN)
    at += length
    anchor = at
  }
  writeLiterals(input.length, 0)
  return output.subarray(0, to)
}
