import { assert } from '../../core/assert.ts'
import type { LogReader } from '../../clients/sls/index.ts'
import {
  takingOf,
  WASM_SLACK,
  WasmColumns,
  webAssembly,
  type Column,
  type ColumnPage,
  type Taking,
  type TextPage,
  type WasmNumber,
} from '../../dataplane/index.ts'
import { LOG_ROWS_MODULE } from './log-rows-module.ts'

const FIELD_BYTES = 32
/** Room for the fields of 64 contents, see wasm/log-rows.ts. */
const ORDER_BYTES = 256
const TIME_BYTES = 8
/** Bytes of logs that the module sees at once; a larger log goes the long way. */
const WINDOW_BYTES = 1024 * 1024
/** After a batch with too many logs that went the long way one by one, so many go it as a whole. */
const REST_BATCHES = 16

interface Exports {
  readonly rows: WasmNumber
  readonly bytes: WasmNumber
  take(
    from: number,
    end: number,
    fields: number,
    fieldCount: number,
    order: number,
    times: number,
    count: number,
  ): number
}

interface Limits {
  readonly rowsMax: number
  readonly bytesMax: number
}

let compiled: object | undefined

/**
 * The short way from logs to columns: WebAssembly that takes logs as nearly all are, four times as fast as the long way.
 * Others are decoded elsewhere and added one by one.
 */
export class LogRows {
  readonly #memory: WasmColumns
  readonly #exports: Exports
  readonly #limits: Limits
  readonly #names: readonly Buffer[]
  readonly #takings: readonly Taking[]
  /** What the window holds: bytes of the answer from `#from` to `#to`. */
  #from = 0
  #to = 0
  #isLaidOut = false
  #odd = 0
  #resting = 0

  private constructor(names: readonly Buffer[], takings: readonly Taking[], limits: Limits) {
    this.#names = names
    this.#takings = takings
    this.#limits = limits
    const nameBytes = names.reduce((sum, { length }) => sum + length + WASM_SLACK, 0)
    const own = names.length * FIELD_BYTES + ORDER_BYTES + limits.rowsMax * TIME_BYTES + nameBytes
    this.#memory = new WasmColumns(takings, own)
    compiled ??= new webAssembly.Module(Buffer.from(LOG_ROWS_MODULE, 'base64'))
    const instance = new webAssembly.Instance(compiled, { env: { memory: this.#memory.memory } })
    this.#exports = instance.exports as Exports
  }

  /** Batches stay within the limits. Undefined when a column has no short way. */
  static of(columns: readonly Column[], limits: Limits): LogRows | undefined {
    if (columns.length === 0) return undefined
    const takings = columns.map((column) => (column.nullable ? logTaking(column) : undefined))
    if (!takings.every((taking) => taking !== undefined)) return undefined
    const names = columns.map(({ name }) => Buffer.from(name))
    if (new Set(names.map(String)).size < names.length) return undefined
    try {
      return new LogRows(names, takings, limits)
    } catch (error) {
      // Addresses are reserved for gigabytes, which a limit on virtual memory may forbid.
      if (error instanceof RangeError) return undefined
      throw error
    }
  }

  /** Begins a batch; false when it should go the long way as a whole. */
  begin(): boolean {
    if (this.#resting > 0) {
      this.#resting--
      return false
    }
    if (this.#odd > 16 + this.#rows / 8) this.#resting = REST_BATCHES
    const { rowsMax, bytesMax } = this.#limits
    if (!this.#memory.reserve(bytesMax + 2 * WINDOW_BYTES, rowsMax)) return false
    if (!this.#isLaidOut) this.#layOut()
    this.#memory.begin()
    for (let field = 0; field < this.#names.length; field++) {
      this.#memory.view.setInt32(this.#fieldAt(field) + 28, -1, true)
    }
    this.#exports.rows.value = 0
    this.#odd = 0
    this.#from = this.#to = 0
    return true
  }

  get #rows(): number {
    return this.#exports.rows.value
  }

  /** Whether one log has room at all. */
  hasRoomFor(reader: LogReader): boolean {
    return reader.logBytes <= WINDOW_BYTES
  }

  /**
   * Takes up to `count` logs of the reader's group, from its current one on, and moves it behind them. Returns how many
   * there were, and their bytes; `each` is called while the reader has the place and the time of each.
   */
  take(
    reader: LogReader,
    count: number,
    each: (() => void) | undefined,
  ): { readonly rows: number; readonly bytes: number } {
    this.#show(reader)
    const { input, view } = this.#memory
    const from = input + reader.logStart - this.#from
    const end = input + Math.min(this.#to, reader.groupEnd) - this.#from
    const before = this.#rows
    this.#exports.bytes.value = 0
    const at = this.#exports.take(from, end, this.#fieldAt(0), this.#names.length, this.#orderAt, this.#timesAt, count)
    const rows = this.#rows - before
    if (rows === 0) return { rows, bytes: 0 }
    const { log } = reader
    for (let row = 0; each !== undefined && row < rows; row++) {
      const time = this.#timesAt + row * TIME_BYTES
      reader.log = log + row
      reader.time = view.getUint32(time, true)
      reader.timeNs = view.getUint32(time + 4, true)
      each()
    }
    reader.log = log
    reader.jump(reader.logStart + at - from, rows)
    return { rows, bytes: this.#exports.bytes.value }
  }

  /** Adds a log that was decoded elsewhere. */
  add(pages: readonly ColumnPage[]): void {
    for (const [column, page] of pages.entries()) this.#memory.add(column, page, this.#rows)
    this.#exports.rows.value++
    this.#odd++
  }

  /** The pages of the batch; the next one uses their memory again. */
  pages(): readonly TextPage[] {
    return this.#takings.map((_, column) => {
      const page = this.#memory.pageOf(column, this.#rows)
      assert(page !== undefined, 'a text without a type of its own is a value')
      return page
    })
  }

  /** Puts the current log into the window, and what follows it in its group. */
  #show({ bytes, logStart, logBytes, groupEnd }: LogReader): void {
    const isSeen = logStart >= this.#from && Math.min(groupEnd, logStart + logBytes + WASM_SLACK) <= this.#to
    if (isSeen) return
    this.#from = logStart
    this.#to = Math.min(groupEnd, logStart + WINDOW_BYTES + WASM_SLACK)
    bytes.copy(this.#memory.bytes, this.#memory.input, this.#from, this.#to)
  }

  #fieldAt(field: number): number {
    return this.#memory.ownAt + field * FIELD_BYTES
  }

  get #orderAt(): number {
    return this.#fieldAt(this.#names.length)
  }

  get #timesAt(): number {
    return this.#orderAt + ORDER_BYTES
  }

  #layOut(): void {
    const { bytes, view } = this.#memory
    let text = this.#timesAt + this.#limits.rowsMax * TIME_BYTES
    for (const [field, name] of this.#names.entries()) {
      const { kind, digits, scale, flags } = this.#takings[field] ?? { kind: 0, digits: 0, scale: 0, flags: 0 }
      const words = [text, name.length, kind, this.#memory.columnAt(field), digits, scale, flags]
      for (const [word, value] of words.entries()) view.setUint32(this.#fieldAt(field) + word * 4, value, true)
      bytes.set(name, text)
      text += name.length + WASM_SLACK
    }
    this.#isLaidOut = true
  }
}

/** Bytes are taken as they are here; texts that would have to be looked at again have no short way. */
function logTaking(column: Column): Taking | undefined {
  if (column.type.kind === 'blob') return takingOf({ ...column, type: { kind: 'varchar' } })
  const taking = takingOf(column)
  return taking?.checked === undefined ? taking : undefined
}
