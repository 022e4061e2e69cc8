import { countGroups } from './count-groups.ts'
import { WireReader } from './wire-reader.ts'

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
  /** Bytes of the current log, and where it stands with its tag in front. */
  logBytes = 0
  logStart = 0
  /** Contents of the current log; key and value of each lie at these places. */
  contents = 0
  keyStarts: Int32Array = new Int32Array(64)
  keyEnds: Int32Array = new Int32Array(64)
  valueStarts: Int32Array = new Int32Array(64)
  valueEnds: Int32Array = new Int32Array(64)
  readonly #topic: Span = { from: 0, to: 0 }
  readonly #source: Span = { from: 0, to: 0 }
  #tags: readonly Span[] = []
  /** The group of which topic, source and tags were read: they stand behind all logs, and not everybody asks for them. */
  #described = -1
  #length = 0
  #groupStart = 0
  /** Behind the current group, and behind its current log. */
  #groupEnd = 0
  #at = 0
  readonly #wire = new WireReader()

  /**
   * Begins with the first log of an answer of `groups` groups in the first `length` bytes. `counted` are the groups that
   * were found in them, if they were looked over already.
   *
   * @throws RangeError when the bytes are no whole list of so many groups.
   */
  load(bytes: Buffer, length: number, groups: number, counted?: number): void {
    this.bytes = bytes
    this.#wire.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#length = length
    const found = counted ?? countGroups(this.#wire, length)
    if (found !== groups) throw new RangeError(`${found} groups where ${groups} were announced`)
    this.#at = 0
    this.#groupEnd = 0
    this.group = -1
    this.#described = -1
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
      const tag = this.#wire.varint(this.#at)
      if (tag !== 0x0a) {
        this.#at = this.#wire.skip(tag, this.#wire.end, this.#groupEnd)
        continue
      }
      this.logStart = this.#at
      const size = this.#wire.varint(this.#wire.end)
      this.#readLog(this.#wire.end, this.#wire.end + size)
      this.#at = this.#wire.end
      this.logBytes = size
      this.log++
      this.hasLog = true
      return true
    }
    return false
  }

  get topic(): Span {
    this.#describeGroup()
    return this.#topic
  }

  get source(): Span {
    this.#describeGroup()
    return this.#source
  }

  /** Key and value of each tag of the current group, in turn. */
  get tags(): readonly Span[] {
    this.#describeGroup()
    return this.#tags
  }

  /** The place behind the group of the current log. */
  get groupEnd(): number {
    return this.#groupEnd
  }

  /** Goes on with what stands at `at`, when somebody else has read `logs` logs of the group up to there. */
  jump(at: number, logs: number): boolean {
    this.#at = at
    this.log += logs - 1
    return this.next()
  }

  /** Microseconds since 1970 of the current log. */
  get micros(): bigint {
    return BigInt(this.time) * 1_000_000n + BigInt(Math.trunc(this.timeNs / 1000))
  }

  #openGroup(): boolean {
    while (this.#at < this.#length) {
      const tag = this.#wire.varint(this.#at)
      if (tag !== 0x0a) {
        this.#at = this.#wire.skip(tag, this.#wire.end, this.#length)
        continue
      }
      const size = this.#wire.varint(this.#wire.end)
      this.#at = this.#wire.end
      this.#groupStart = this.#at
      this.#groupEnd = this.#at + size
      this.group++
      this.log = -1
      return true
    }
    return false
  }

  #describeGroup(): void {
    if (this.#described === this.group) return
    this.#described = this.group
    const topic = this.#topic
    const source = this.#source
    topic.from = topic.to = source.from = source.to = 0
    const tags: Span[] = []
    for (let at = this.#groupStart; at < this.#groupEnd;) {
      const tag = this.#wire.varint(at)
      const start = this.#wire.end
      at = this.#wire.skip(tag, start, this.#groupEnd)
      if (tag !== 0x1a && tag !== 0x22 && tag !== 0x32) continue
      const size = this.#wire.varint(start)
      const span = tag === 0x1a ? topic : source
      if (tag === 0x32) this.#readPair(this.#wire.end, at, tags)
      else {
        span.from = at - size
        span.to = at
      }
    }
    this.#tags = tags
  }

  /** Reads it as a content behind those of the current log. */
  #readPair(from: number, to: number, into: Span[]): void {
    const { contents } = this
    if (contents === this.keyStarts.length) this.#growContents()
    this.#readContent(from, to, contents)
    into.push({ from: this.keyStarts[contents] ?? 0, to: this.keyEnds[contents] ?? 0 })
    into.push({ from: this.valueStarts[contents] ?? 0, to: this.valueEnds[contents] ?? 0 })
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
          size = this.#wire.varint(at)
          at = this.#wire.end
        }
        if (contents === this.keyStarts.length) this.#growContents()
        this.#readContent(at, at + size, contents++)
        at += size
      } else if (tag === 0x08) {
        this.#readTime(at + 1)
        at = this.#wire.end
      } else if (tag === 0x25) {
        this.timeNs = bytes.readUInt32LE(at + 1) % NS_PER_SECOND
        at += 5
      } else {
        const wide = this.#wire.varint(at)
        at = this.#wire.skip(wide, this.#wire.end, to)
      }
    }
    this.contents = contents
    this.#wire.end = to
  }

  /** Times of our days have five bytes. */
  #readTime(at: number): void {
    const { bytes } = this
    const fifth = bytes[at + 4]!
    const marks = bytes[at]! & bytes[at + 1]! & bytes[at + 2]! & bytes[at + 3]! & 0x80
    if (marks === 0 || fifth > 0x0f) {
      this.time = this.#wire.varint(at)
      return
    }
    const low = (bytes[at]! & 0x7f) | ((bytes[at + 1]! & 0x7f) << 7)
    const high = ((bytes[at + 2]! & 0x7f) << 14) | ((bytes[at + 3]! & 0x7f) << 21)
    this.time = (low | high | (fifth << 28)) >>> 0
    this.#wire.end = at + 5
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
        size = this.#wire.varint(behindKey + 1)
        valueFrom = this.#wire.end
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
      const tag = this.#wire.varint(at)
      const start = this.#wire.end
      at = this.#wire.skip(tag, start, to)
      if (tag !== 0x0a && tag !== 0x12) continue
      const size = this.#wire.varint(start)
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
}
