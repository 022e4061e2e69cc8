import type { Batch } from '../core/batch.ts'
import type { FromLane } from './messages.ts'

/** Shows records that leave a step, for `millrace tap`. Closed, it costs one property lookup a batch. */
export class Tap {
  readonly #tell: (message: FromLane) => void
  #step: string | undefined
  #left = 0

  constructor(tell: (message: FromLane) => void) {
    this.#tell = tell
  }

  get isOpen(): boolean {
    return this.#left > 0
  }

  open(step: string | undefined, limit: number): void {
    this.#step = step
    this.#left = step === undefined ? 0 : limit
  }

  show(step: string, batch: Batch): void {
    if (step !== this.#step) return
    const lines = linesOf(batch, this.#left)
    this.#left -= lines.length
    this.#tell({ kind: 'tapped', step, lines })
  }
}

function linesOf(batch: Batch, limit: number): string[] {
  const { body } = batch
  if (body.kind === 'rows') return body.rows.slice(0, limit).map((row) => JSON.stringify(row, exact))
  if (body.kind === 'table' || body.kind === 'parquet') return [`(${batch.rows} rows in columns)`]
  const lines: string[] = []
  for (let at = 0; at < body.length && lines.length < limit;) {
    const index = lines.length
    const end = body.ends?.[index] ?? endOfRecord(body.buffer, at, body.length, body.separator)
    lines.push(body.buffer.toString('utf8', at, end))
    at = end + 1
  }
  return lines
}

/** With a comma between the records of a JSON array the end of a record is where its braces close. */
function endOfRecord(buffer: Buffer, from: number, length: number, separator: number): number {
  if (separator === 0x0a) {
    const end = buffer.indexOf(0x0a, from)
    return end < 0 ? length : end
  }
  let depth = 0
  let quoted = false
  for (let at = from; at < length; at++) {
    const byte = buffer[at]
    if (quoted) {
      if (byte === 0x5c) at += 1
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x7b || byte === 0x5b) depth += 1
    else if (byte === 0x7d || byte === 0x5d) depth -= 1
    else if (byte === separator && depth === 0) return at
  }
  return length
}

function exact(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
