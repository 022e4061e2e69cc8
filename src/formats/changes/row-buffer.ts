const OPS = [Buffer.from('"__op":0}'), Buffer.from('"__op":1}')]
const ROW_BUFFER_BYTES = 1024 * 1024

/** JSON rows behind each other, each followed by a separator. Grows as it must, and is used again. */
export class RowBuffer {
  buffer: Buffer = Buffer.allocUnsafeSlow(ROW_BUFFER_BYTES)
  length = 0
  rows = 0
  /** Where each row ends and which message it came from, where that is asked for. */
  readonly traces: { readonly ends: number[]; readonly offsets: bigint[] } | undefined
  readonly #separator: number
  #rowFrom = 0

  constructor(separator: number, isTraced = false) {
    this.#separator = separator
    this.traces = isTraced ? { ends: [], offsets: [] } : undefined
  }

  /** Says which message the row that was ended last came from. */
  trace(offset: bigint): void {
    this.traces?.ends.push(this.length - 1)
    this.traces?.offsets.push(offset)
  }

  reset(): void {
    this.length = 0
    this.rows = 0
    this.#rowFrom = 0
    // One large transaction must not hold its memory for ever.
    if (this.buffer.length > 16 * ROW_BUFFER_BYTES) this.buffer = Buffer.allocUnsafeSlow(ROW_BUFFER_BYTES)
  }

  raw(source: Buffer, from: number, to: number): void {
    this.#room(to - from)
    source.copy(this.buffer, this.length, from, to)
    this.length += to - from
  }

  /** ASCII. */
  ascii(text: string): void {
    this.#room(text.length)
    this.buffer.write(text, this.length, 'latin1')
    this.length += text.length
  }

  /** Any text, as a JSON string. */
  string(text: string): void {
    const quoted = JSON.stringify(text)
    this.#room(quoted.length * 3)
    this.length += this.buffer.write(quoted, this.length)
  }

  /** The name of a member, given as the quoted text of another object, with a brace or a comma before it. */
  name(source: Buffer, from: number, to: number): void {
    this.#room(to - from + 2)
    this.buffer[this.length] = this.length === this.#rowFrom ? 0x7b : 0x2c
    source.copy(this.buffer, this.length + 1, from, to)
    this.length += to - from + 2
    this.buffer[this.length - 1] = 0x3a
  }

  /** A whole JSON object but its closing brace; what is added comes behind it. */
  members(source: Buffer, from: number, to: number): void {
    let end = to - 1
    while (end > from + 1 && (source[end - 1] ?? 0) <= 0x20) end--
    this.raw(source, from, end)
  }

  /** Forgets what was written of a row that was not ended. */
  undo(): void {
    this.length = this.#rowFrom
  }

  /** Ends a row that is complete. */
  endWhole(): void {
    this.#room(1)
    this.buffer[this.length++] = this.#separator
    this.rows++
    this.#rowFrom = this.length
  }

  /** Ends a row with what is to be done with it. */
  end(isDelete: boolean): void {
    const op = OPS[isDelete ? 1 : 0] as Buffer
    this.#room(op.length + 2)
    const isEmpty = this.length === this.#rowFrom
    const isOnlyBrace = this.length === this.#rowFrom + 1
    if (isEmpty) this.buffer[this.length++] = 0x7b
    else if (!isOnlyBrace) this.buffer[this.length++] = 0x2c
    op.copy(this.buffer, this.length)
    this.length += op.length
    this.buffer[this.length++] = this.#separator
    this.rows++
    this.#rowFrom = this.length
  }

  /** A row that is written already. */
  whole(text: Buffer): void {
    this.raw(text, 0, text.length)
    this.endWhole()
  }

  /** Takes back the row that was ended last, whose start was `from`. */
  takeBack(from: number): void {
    this.length = from
    this.#rowFrom = from
    this.rows--
  }

  get rowFrom(): number {
    return this.#rowFrom
  }

  #room(bytes: number): void {
    const wanted = this.length + bytes
    if (wanted <= this.buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, this.buffer.length * 2))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }
}
