const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

/** Numbers and fields of protobuf messages in a buffer. A read beyond its end gives no number, which `skip` refuses. */
export class WireReader {
  bytes: Buffer = Buffer.alloc(0)
  /** Place behind the number that was read last. */
  end = 0

  /** Place behind the field whose tag was read, and whose value begins at `at`. */
  skip(tag: number, at: number, end: number): number {
    let next: number
    switch (tag & 7) {
      case VARINT:
        this.varint(at)
        next = this.end
        break
      case FIXED64:
        next = at + 8
        break
      case LENGTH_DELIMITED: {
        const size = this.varint(at)
        next = this.end + size
        break
      }
      case FIXED32:
        next = at + 4
        break
      default:
        throw new RangeError('an unknown wire type')
    }
    if (!(next <= end) || tag < 8) throw new RangeError('a field that is longer than what holds it')
    return next
  }

  /** Reads a varint of up to ten bytes; the place behind it is in `end`. Numbers over 2^53 are not exact. */
  varint(at: number): number {
    const { bytes } = this
    const first = bytes[at]!
    if (first < 0x80) {
      this.end = at + 1
      return first
    }
    const second = bytes[at + 1]!
    if (second < 0x80) {
      this.end = at + 2
      return (first & 0x7f) | (second << 7)
    }
    let value = (first & 0x7f) | ((second & 0x7f) << 7)
    let factor = 1 << 14
    for (let place = at + 2; place < at + 10; place++, factor *= 128) {
      const byte = bytes[place]!
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        this.end = place + 1
        return value
      }
    }
    throw new RangeError('a number of more than ten bytes')
  }
}
