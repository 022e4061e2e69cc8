/*
 * LZ4 blocks (github.com/lz4/lz4, doc/lz4_Block_format.md), which Kafka puts into frames and SLS sends bare.
 */

/** Appends one block to `output` at `at`; matches may reach back to the start of the output. Returns the new end. */
export function decompressLz4Block(input: Buffer, output: Buffer, at: number): number {
  let from = 0
  let to = at
  // The `!`: a read beyond the end gives undefined, which the checks of `from` and `to` then turn into an error.
  for (;;) {
    const token = input[from++]!
    let literals = token >>> 4
    if (literals === 15) {
      let byte
      do {
        byte = input[from++]!
        literals += byte
      } while (byte === 255)
    }
    if (!(from + literals <= input.length && to + literals <= output.length))
      throw new RangeError('LZ4 literals go beyond the end')
    if (literals > 16) input.copy(output, to, from, from + literals)
    else for (let k = 0; k < literals; k++) output[to + k] = input[from + k]!
    from += literals
    to += literals
    if (from === input.length) return to
    const distance = input[from]! | (input[from + 1]! << 8)
    from += 2
    let match = (token & 15) + 4
    if (match === 19) {
      let byte
      do {
        byte = input[from++]!
        match += byte
      } while (byte === 255)
    }
    if (!(from < input.length && distance > 0 && distance <= to && to + match <= output.length))
      throw new RangeError('an LZ4 match goes beyond the output')
    to = copyMatch(output, to, distance, match)
  }
}

/** Repeats `length` bytes that lie `distance` before `to`; they may overlap what is being written. Returns the new end. */
export function copyMatch(output: Buffer, to: number, distance: number, length: number): number {
  const source = to - distance
  if (length <= 24 || distance < 8) {
    for (let k = 0; k < length; k++) output[to + k] = output[source + k]!
    return to + length
  }
  // copyWithin is not allowed to overlap forwards, so what is already there is doubled until the rest is covered.
  let done = 0
  while (done < length) {
    const step = Math.min(distance + done, length - done)
    output.copyWithin(to + done, source, source + step)
    done += step
  }
  return to + length
}
