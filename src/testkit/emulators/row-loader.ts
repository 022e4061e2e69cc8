import { parseExact } from './exact-json.ts'
import { splitEnclosedRecords, splitRecord } from './csv-record.ts'
import type { LoadPlan } from './load-plan.ts'
import { RowEncoder } from './row-encoder.ts'
import { DelimiterCounter, DelimiterSplitter, JsonRowSplitter } from './splitters.ts'
import type { Delta } from './table.ts'

export interface LoadResult {
  readonly total: number
  readonly loaded: number
  readonly filtered: number
  readonly unselected: number
  readonly delta: Delta
  /** Why rows were filtered; the first hundred. */
  readonly errors: readonly string[]
  /** Filtered rows are more than `max_filter_ratio` allows. */
  readonly isRatioExceeded: boolean
}

/** Takes the bytes of one load, request after request, and ends with what it adds to its table. */
export interface RowLoader {
  /** Enough rows have been filtered that the load can only fail. */
  readonly isDoomed: boolean
  push(chunk: Buffer): void
  /** One request ended properly. A JSON document ends here; CSV goes on in the next request. */
  endRequest(): void
  finish(): LoadResult
}

/** Counts rows without looking at them. */
export class CountingLoader implements RowLoader {
  readonly isDoomed = false
  readonly #lines: DelimiterCounter | undefined
  readonly #json: JsonRowSplitter

  constructor(plan: LoadPlan) {
    this.#lines = plan.format === 'csv' || plan.isJsonByLine ? new DelimiterCounter(plan.rowDelimiter) : undefined
    this.#json = new JsonRowSplitter({ stripOuterArray: plan.stripOuterArray, isCounting: true })
  }

  push(chunk: Buffer): void {
    if (this.#lines === undefined) this.#json.push(chunk, () => undefined)
    else this.#lines.push(chunk)
  }

  endRequest(): void {
    if (this.#lines === undefined) this.#json.end()
  }

  finish(): LoadResult {
    this.#lines?.end()
    const rows = this.#lines?.rows ?? this.#json.rows
    const delta: Delta = { rows, chunks: [], changes: [], isPartial: false, mergeCondition: undefined }
    return { total: rows, loaded: rows, filtered: 0, unselected: 0, delta, errors: [], isRatioExceeded: false }
  }
}

/** Parses and checks every row. */
export class VerifyingLoader implements RowLoader {
  readonly #plan: LoadPlan
  readonly #encoder: RowEncoder
  readonly #lines: DelimiterSplitter
  readonly #json: JsonRowSplitter
  /** Whole-document cases: quoted CSV and `json_root`. */
  #collected: Buffer[] = []
  readonly #fields: readonly string[]
  #linesLeftToSkip: number

  constructor(plan: LoadPlan) {
    this.#plan = plan
    this.#encoder = new RowEncoder(plan)
    this.#lines = new DelimiterSplitter(plan.rowDelimiter)
    this.#json = new JsonRowSplitter({ stripOuterArray: plan.stripOuterArray, isCounting: false })
    this.#linesLeftToSkip = plan.skipLines
    this.#fields = plan.fields ?? plan.table.columns.map((column) => column.name)
  }

  get isDoomed(): boolean {
    return this.#encoder.filtered > 0 && this.#plan.maxFilterRatio === 0
  }

  push(chunk: Buffer): void {
    const plan = this.#plan
    if (plan.format === 'csv') {
      if (plan.enclose === '') this.#csvLines(this.#lines.push(chunk))
      else this.#collected.push(chunk)
    } else if (plan.isJsonByLine) {
      for (const line of this.#lines.push(chunk)) this.#jsonLine(line)
    } else if (plan.jsonRoot === undefined) {
      this.#json.push(chunk, (text) => this.#jsonRow(text))
    } else {
      this.#collected.push(chunk)
    }
  }

  endRequest(): void {
    const plan = this.#plan
    if (plan.format === 'csv') return
    if (plan.jsonRoot !== undefined && !plan.isJsonByLine) {
      const text = Buffer.concat(this.#collected).toString()
      this.#collected = []
      if (text.trim() !== '') this.#jsonRow(text)
      return
    }
    const rest = plan.isJsonByLine ? this.#lines.end() : undefined
    if (rest !== undefined) this.#jsonLine(rest)
    const complaint = this.#json.end()
    if (complaint !== undefined) this.#encoder.filter(`${complaint}.`)
  }

  finish(): LoadResult {
    const plan = this.#plan
    if (plan.format === 'csv') {
      const rest = this.#lines.end()
      if (rest !== undefined) this.#csvLines([rest])
      if (plan.enclose !== '') this.#enclosedCsv()
    }
    const encoder = this.#encoder
    const { filtered, unselected } = encoder
    const delta = encoder.finish()
    const selected = delta.rows + filtered
    return {
      total: selected + unselected,
      loaded: delta.rows,
      filtered,
      unselected,
      delta,
      errors: encoder.errors,
      isRatioExceeded: selected > 0 && filtered / selected > plan.maxFilterRatio,
    }
  }

  #csvLines(lines: readonly string[]): void {
    for (const line of lines) {
      if (this.#linesLeftToSkip > 0) this.#linesLeftToSkip -= 1
      else if (line !== '') this.#csvRecord(splitRecord(line, this.#plan), line)
    }
  }

  #enclosedCsv(): void {
    const text = Buffer.concat(this.#collected).toString()
    this.#collected = []
    for (const record of splitEnclosedRecords(text, this.#plan).slice(this.#plan.skipLines)) {
      this.#csvRecord(record, record.join(this.#plan.columnSeparator))
    }
  }

  #csvRecord(values: readonly (string | null)[], line: string): void {
    const names =
      this.#plan.table.isOpen && this.#plan.fields === undefined ? values.map((_, i) => `c${i + 1}`) : this.#fields
    if (values.length !== names.length) {
      this.#encoder.filter(
        `Value count does not match column count. Expect ${names.length}, but got ${values.length}. src line: [${line}]; `,
      )
      return
    }
    const row: Record<string, unknown> = {}
    for (let i = 0; i < names.length; i += 1) row[names[i] ?? ''] = values[i]
    this.#encoder.add(row, line)
  }

  #jsonLine(line: string): void {
    const text = line.trim()
    if (text === '') return
    if (this.#plan.stripOuterArray && text.startsWith('[')) {
      this.#json.push(Buffer.from(text), (row) => this.#jsonRow(row))
      const complaint = this.#json.end()
      if (complaint !== undefined) this.#encoder.filter(`${complaint}.`)
    } else this.#jsonRow(text)
  }

  #jsonRow(text: string): void {
    let value: unknown
    try {
      value = parseExact(text)
    } catch {
      this.#encoder.filter(`Failed to parse json as document. src line: [${text}]; `)
      return
    }
    const { jsonRoot, jsonPaths } = this.#plan
    const root = jsonRoot === undefined ? value : follow(value, jsonRoot)
    for (const element of jsonRoot !== undefined && Array.isArray(root) ? root : [root]) {
      if (typeof element !== 'object' || element === null || Array.isArray(element)) {
        this.#encoder.filter(`The value is not a JSON object. src line: [${text}]; `)
      } else if (jsonPaths === undefined) {
        this.#encoder.add(element as Record<string, unknown>, text)
      } else {
        const row = jsonPaths.map((path, i) => [this.#fields[i] ?? '', follow(element, path)] as const)
        this.#encoder.add(Object.fromEntries(row), text)
      }
    }
  }
}

function follow(value: unknown, path: readonly string[]): unknown {
  let at: unknown = value
  for (const step of path)
    at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[step] : undefined
  return at
}
