/*
 * LZ4 blocks (github.com/lz4/lz4, doc/lz4_Block_format.md), which Kafka puts into frames and SLS sends bare.
 */

/** Bytes that are moved at once; a copy may write so many less one behind its end, where the next one writes again. */
const WORD = 4
/** From here on a call into native code is cheaper than a loop. */
const LONG = 64

/** Appends one block to `output` at `at`; matches may reach back to the start of the output. Returns the new end. */
export function decompressLz4Block(input: Buffer, output: Buffer, at: number): number {
  const source = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const into = new DataView(output.buffer, output.byteOffset, output.byteLength)
  const inputEnd = input.length
  const outputEnd = output.length
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
    const literalsEnd = from + literals
    if (!(literalsEnd <= inputEnd && to + literals <= outputEnd)) throw new RangeError('LZ4 literals go beyond the end')
    if (literals > LONG) {
      input.copy(output, to, from, literalsEnd)
      to += literals
    } else {
      const end = to + literals
      if (literalsEnd + WORD <= inputEnd && end + WORD <= outputEnd) {
        for (; from < literalsEnd; from += WORD, to += WORD) into.setInt32(to, source.getInt32(from, true), true)
      } else {
        for (; from < literalsEnd; from++, to++) output[to] = input[from]!
      }
      to = end
    }
    from = literalsEnd
    if (from === inputEnd) return to
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
    const end = to + match
    if (!(from < inputEnd && distance > 0 && distance <= to && end <= outputEnd))
      throw new RangeError('an LZ4 match goes beyond the output')
    if (distance >= WORD && match <= LONG && end + WORD <= outputEnd) {
      for (let back = to - distance; to < end; back += WORD, to += WORD) {
        into.setInt32(to, into.getInt32(back, true), true)
      }
      to = end
    } else to = copyMatch(output, to, distance, match)
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
