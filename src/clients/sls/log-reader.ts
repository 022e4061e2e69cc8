/*
 * A walk over a LogGroupList (proto2, aliyun-log-go-sdk log.proto) without an object for each log:
 *
 *     LogGroupList  1 repeated LogGroup
 *     LogGroup      1 repeated Log, 3 Topic, 4 Source, 6 repeated LogTag
 *     Log           1 Time uint32, 2 repeated LogContent, 4 TimeNs fixed32
 *     LogContent    1 Key, 2 Value; LogTag alike
 *
 * Fields may come in any order, unknown ones are passed over.
 */

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5
const NS_PER_SECOND = 1_000_000_000

/** Where the text of the current group or log lies in the bytes. */
export interface Span {
  from: number
  to: number
}

/**
 * Reads the logs of one answer, one after the other. `load` has walked over everything once, so that nothing of an
 * answer is used that breaks off or is no list at all.
 */
export class LogReader {
  bytes: Buffer = Buffer.alloc(0)
  view: DataView = new DataView(new ArrayBuffer(0))
  /** True while there is a current log; after `load` and `next`. */
  hasLog = false
  /** Index of the current log's group in the answer, and of the log in its group. */
  group = 0
  log = 0
  /** Seconds since 1970, and the nanoseconds within the second. */
  time = 0
  timeNs = 0
  /** Bytes of the current log. */
  logBytes = 0
  /** Contents of the current log; key and value of each lie at these places. */
  contents = 0
  keyStarts: Int32Array = new Int32Array(64)
  keyEnds: Int32Array = new Int32Array(64)
  valueStarts: Int32Array = new Int32Array(64)
  valueEnds: Int32Array = new Int32Array(64)
  readonly topic: Span = { from: 0, to: 0 }
  readonly source: Span = { from: 0, to: 0 }
  /** Key and value of each tag of the current group, in turn. */
  tags: readonly Span[] = []
  #length = 0
  /** Behind the current group, and behind its current log. */
  #groupEnd = 0
  #at = 0
  #varintEnd = 0

  /**
   * Begins with the first log of an answer of `groups` groups in the first `length` bytes.
   *
   * @throws RangeError when the bytes are no whole list of so many groups.
   */
  load(bytes: Buffer, length: number, groups: number): void {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#length = length
    const found = this.#checkList()
    if (found !== groups) throw new RangeError(`${found} groups where ${groups} were announced`)
    this.#at = 0
    this.#groupEnd = 0
    this.group = -1
    this.log = 0
    this.next()
  }

  /** Passes over logs up to this one. */
  seek(group: number, log: number): void {
    while (this.hasLog && (this.group < group || (this.group === group && this.log < log))) this.next()
  }

  /** Goes to the next log; false behind the last one. */
  next(): boolean {
    this.hasLog = false
    while (this.#at < this.#length || this.#at < this.#groupEnd) {
      if (this.#at >= this.#groupEnd) {
        if (this.#openGroup()) continue
        break
      }
      const tag = this.#varint(this.#at)
      if (tag !== 0x0a) {
        this.#at = this.#skip(tag, this.#varintEnd, this.#groupEnd)
        continue
      }
      const size = this.#varint(this.#varintEnd)
      this.#readLog(this.#varintEnd, this.#varintEnd + size)
      this.#at = this.#varintEnd
      this.logBytes = size
      this.log++
      this.hasLog = true
      return true
    }
    return false
  }

  /** Microseconds since 1970 of the current log. */
  get micros(): bigint {
    return BigInt(this.time) * 1_000_000n + BigInt(Math.trunc(this.timeNs / 1000))
  }

  #openGroup(): boolean {
    while (this.#at < this.#length) {
      const tag = this.#varint(this.#at)
      if (tag !== 0x0a) {
        this.#at = this.#skip(tag, this.#varintEnd, this.#length)
        continue
      }
      const size = this.#varint(this.#varintEnd)
      this.#at = this.#varintEnd
      this.#groupEnd = this.#at + size
      this.group++
      this.log = -1
      this.#readGroupFields()
      return true
    }
    return false
  }

  /** Topic, source and tags stand behind the logs, as a rule. */
  #readGroupFields(): void {
    const { topic, source } = this
    topic.from = topic.to = source.from = source.to = 0
    const tags: Span[] = []
    for (let at = this.#at; at < this.#groupEnd;) {
      const tag = this.#varint(at)
      const start = this.#varintEnd
      at = this.#skip(tag, start, this.#groupEnd)
      if (tag !== 0x1a && tag !== 0x22 && tag !== 0x32) continue
      const size = this.#varint(start)
      const span = tag === 0x1a ? topic : source
      if (tag === 0x32) this.#readPair(this.#varintEnd, at, tags)
      else {
        span.from = at - size
        span.to = at
      }
    }
    this.tags = tags
  }

  #readPair(from: number, to: number, into: Span[]): void {
    this.#readContent(from, to, 0)
    into.push({ from: this.keyStarts[0] ?? 0, to: this.keyEnds[0] ?? 0 })
    into.push({ from: this.valueStarts[0] ?? 0, to: this.valueEnds[0] ?? 0 })
  }

  #readLog(from: number, to: number): void {
    const { bytes } = this
    let contents = 0
    let at = from
    this.time = 0
    this.timeNs = 0
    while (at < to) {
      const tag = bytes[at]!
      if (tag === 0x12) {
        let size = bytes[++at]!
        if (size < 0x80) at++
        else {
          size = this.#varint(at)
          at = this.#varintEnd
        }
        if (contents === this.keyStarts.length) this.#growContents()
        this.#readContent(at, at + size, contents++)
        at += size
      } else if (tag === 0x08) {
        this.#readTime(at + 1)
        at = this.#varintEnd
      } else if (tag === 0x25) {
        this.timeNs = bytes.readUInt32LE(at + 1) % NS_PER_SECOND
        at += 5
      } else {
        const wide = this.#varint(at)
        at = this.#skip(wide, this.#varintEnd, to)
      }
    }
    this.contents = contents
    this.#varintEnd = to
  }

  /** Times of our days have five bytes. */
  #readTime(at: number): void {
    const { bytes } = this
    const fifth = bytes[at + 4]!
    const marks = bytes[at]! & bytes[at + 1]! & bytes[at + 2]! & bytes[at + 3]! & 0x80
    if (marks === 0 || fifth > 0x0f) {
      this.time = this.#varint(at)
      return
    }
    const low = (bytes[at]! & 0x7f) | ((bytes[at + 1]! & 0x7f) << 7)
    const high = ((bytes[at + 2]! & 0x7f) << 14) | ((bytes[at + 3]! & 0x7f) << 21)
    this.time = (low | high | (fifth << 28)) >>> 0
    this.#varintEnd = at + 5
  }

  #readContent(from: number, to: number, index: number): void {
    const { bytes } = this
    // Nearly always the key stands first and has fewer than 128 bytes.
    const keySize = bytes[from + 1]!
    const behindKey = from + 2 + keySize
    if (bytes[from] === 0x0a && keySize < 0x80 && bytes[behindKey] === 0x12) {
      let valueFrom = behindKey + 2
      let size = bytes[behindKey + 1]!
      if (size >= 0x80) {
        size = this.#varint(behindKey + 1)
        valueFrom = this.#varintEnd
      }
      if (valueFrom + size === to) {
        this.keyStarts[index] = from + 2
        this.keyEnds[index] = behindKey
        this.valueStarts[index] = valueFrom
        this.valueEnds[index] = to
        return
      }
    }
    this.#readOddContent(from, to, index)
  }

  /** Of a field that occurs twice the last one counts, as in every protobuf message. */
  #readOddContent(from: number, to: number, index: number): void {
    let hasKey = false
    let hasValue = false
    for (let at = from; at < to;) {
      const tag = this.#varint(at)
      const start = this.#varintEnd
      at = this.#skip(tag, start, to)
      if (tag !== 0x0a && tag !== 0x12) continue
      const size = this.#varint(start)
      const starts = tag === 0x0a ? this.keyStarts : this.valueStarts
      const ends = tag === 0x0a ? this.keyEnds : this.valueEnds
      starts[index] = at - size
      ends[index] = at
      if (tag === 0x0a) hasKey = true
      else hasValue = true
    }
    if (!hasKey || !hasValue) throw new RangeError('a content without a key or a value')
  }

  #growContents(): void {
    const larger = (old: Int32Array): Int32Array => {
      const made = new Int32Array(old.length * 2)
      made.set(old)
      return made
    }
    this.keyStarts = larger(this.keyStarts)
    this.keyEnds = larger(this.keyEnds)
    this.valueStarts = larger(this.valueStarts)
    this.valueEnds = larger(this.valueEnds)
  }

  /** Walks over everything; whatever reaches beyond what holds it throws. */
  #checkList(): number {
    let groups = 0
    for (let at = 0; at < this.#length;) {
      const tag = this.#varint(at)
      const start = this.#varintEnd
      at = this.#skip(tag, start, this.#length)
      if (tag !== 0x0a) continue
      const size = this.#varint(start)
      this.#checkGroup(at - size, at)
      groups++
    }
    return groups
  }

  #checkGroup(from: number, to: number): void {
    for (let at = from; at < to;) {
      const tag = this.#varint(at)
      const start = this.#varintEnd
      at = this.#skip(tag, start, to)
      if (tag !== 0x0a && tag !== 0x32) continue
      const size = this.#varint(start)
      if (tag === 0x0a) this.#checkLog(at - size, at)
      else this.#readContent(at - size, at, 0)
    }
  }

  #checkLog(from: number, to: number): void {
    const { bytes } = this
    let hasTime = false
    let at = from
    while (at < to) {
      const tag = bytes[at]!
      if (tag === 0x08) {
        hasTime = true
        let last = at + 1
        while (bytes[last]! >= 0x80 && last < at + 10) last++
        if (!(last < to) || last === at + 10) this.#skip(tag, at + 1, to)
        at = last + 1
        continue
      }
      if (tag !== 0x12) {
        const wide = this.#varint(at)
        at = this.#skip(wide, this.#varintEnd, to)
        continue
      }
      let size = bytes[++at]!
      if (size < 0x80) at++
      else {
        size = this.#varint(at)
        at = this.#varintEnd
      }
      const end = at + size
      if (!(end <= to)) throw new RangeError('a content that is longer than its log')
      // The same short way as in `#readContent`, without noting anything.
      const behindKey = at + 2 + bytes[at + 1]!
      const valueSize = bytes[behindKey + 1]!
      const isPlain = bytes[at] === 0x0a && bytes[at + 1]! < 0x80 && bytes[behindKey] === 0x12
      if (!(isPlain && valueSize < 0x80 && behindKey + 2 + valueSize === end)) this.#readContent(at, end, 0)
      at = end
    }
    if (!hasTime) throw new RangeError('a log without a time')
  }

  /** Place behind the field whose tag was read, and whose value begins at `at`. */
  #skip(tag: number, at: number, end: number): number {
    let next: number
    switch (tag & 7) {
      case VARINT:
        this.#varint(at)
        next = this.#varintEnd
        break
      case FIXED64:
        next = at + 8
        break
      case LENGTH_DELIMITED: {
        const size = this.#varint(at)
        next = this.#varintEnd + size
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

  /** Reads a varint of up to ten bytes; the place behind it is in `#varintEnd`. Numbers over 2^53 are not exact. */
  #varint(at: number): number {
    const { bytes } = this
    const first = bytes[at]!
    if (first < 0x80) {
      this.#varintEnd = at + 1
      return first
    }
    const second = bytes[at + 1]!
    if (second < 0x80) {
      this.#varintEnd = at + 2
      return (first & 0x7f) | (second << 7)
    }
    let value = (first & 0x7f) | ((second & 0x7f) << 7)
    let factor = 1 << 14
    for (let place = at + 2; place < at + 10; place++, factor *= 128) {
      const byte = bytes[place]!
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        this.#varintEnd = place + 1
        return value
      }
    }
    throw new RangeError('a number of more than ten bytes')
  }
}
