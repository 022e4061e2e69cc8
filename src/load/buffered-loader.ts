import { encodeJson } from '../core/exact-json.ts'
import { toMillraceError, type MillraceError } from '../core/errors.ts'
import type { LoadClient, LoadOptions, LoadResult } from './load-client.ts'

export interface BufferedLoaderOptions extends Omit<LoadOptions, 'label'> {
  /** Rows of a load. Default 100 000. */
  readonly rows?: number
  /** Bytes of a load. Default 32 MiB. */
  readonly bytes?: number
  /** How long a row waits at most, in milliseconds. Default 5 s: every load costs the servers a version of the table. */
  readonly waitMs?: number
  /** Told of loads that failed for good. Without it the next `add` or `flush` rejects. */
  readonly onError?: (error: MillraceError, rows: number) => void
  readonly onLoaded?: (result: LoadResult, rows: number) => void
}

export interface LoaderStatistics {
  readonly loads: number
  readonly failedLoads: number
  readonly rows: number
  readonly failedRows: number
  readonly bytes: number
  /** Share of loads that went well, from 0 to 1; 1 before the first one. */
  readonly successRate: number
  readonly waitingRows: number
}

/** Gathers rows into few large loads. One load is under way while the next one fills; then `add` waits. */
export class BufferedLoader implements AsyncDisposable {
  readonly #client: Pick<LoadClient, 'load'>
  readonly #options: BufferedLoaderOptions
  #lines: string[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined
  #loading: Promise<void> = Promise.resolve()
  #isLoading = false
  #error: MillraceError | undefined
  #counts = { loads: 0, failedLoads: 0, rows: 0, failedRows: 0, bytes: 0 }

  constructor(client: Pick<LoadClient, 'load'>, options: BufferedLoaderOptions) {
    this.#client = client
    this.#options = options
  }

  get statistics(): LoaderStatistics {
    const { loads, failedLoads } = this.#counts
    const all = loads + failedLoads
    return { ...this.#counts, successRate: all === 0 ? 1 : loads / all, waitingRows: this.#lines.length }
  }

  /** Resolves when the row is kept; waits while two loads are full. */
  async add(row: unknown): Promise<void> {
    this.#throwError()
    const line = encodeJson(row)
    this.#lines.push(line)
    this.#bytes += Buffer.byteLength(line) + 1
    const { rows = 100_000, bytes = 32 << 20, waitMs = 5000 } = this.#options
    if (this.#lines.length >= rows || this.#bytes >= bytes) {
      if (this.#isLoading) await this.#loading
      this.#send()
    } else this.#timer ??= setTimeout(() => this.#send(), waitMs)
  }

  /** Loads what waits, and resolves when everything is in. */
  async flush(): Promise<void> {
    await this.#loading
    this.#send()
    await this.#loading
    this.#throwError()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush()
  }

  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#lines.length === 0) return
    const [lines, bytes] = [this.#lines, this.#bytes]
    this.#lines = []
    this.#bytes = 0
    this.#isLoading = true
    this.#loading = this.#loading.then(() => this.#load(lines, bytes)).finally(() => (this.#isLoading = false))
  }

  async #load(lines: readonly string[], bytes: number): Promise<void> {
    const { onError, onLoaded } = this.#options
    try {
      const result = await this.#client.load({ ndjson: lines.join('\n') }, this.#options)
      this.#counts.loads++
      this.#counts.rows += lines.length
      this.#counts.bytes += bytes
      onLoaded?.(result, lines.length)
    } catch (thrown) {
      const error = toMillraceError(thrown)
      this.#counts.failedLoads++
      this.#counts.failedRows += lines.length
      if (onError === undefined) this.#error ??= error
      else onError(error, lines.length)
    }
  }

  #throwError(): void {
    const error = this.#error
    this.#error = undefined
    if (error !== undefined) throw error
  }
}
