import os from 'node:os'
import type { DuckDBConnection, DuckDBInstance, DuckDBPreparedStatement } from '@duckdb/node-api'
import { MillraceError } from '../core/errors.ts'
import { HandOverFile, handOverDirectory } from './hand-over.ts'
import { quoteText } from './sql-text.ts'

export interface LaneDatabaseOptions {
  /** Bytes that DuckDB may use for itself in this lane. */
  readonly memoryLimitBytes: number
  /** Where DuckDB may spill; without it a query that needs more than the limit fails. */
  readonly tempDirectory?: string
  /** Files (or, with `/` at the end, directories) that queries of this lane may read, besides the hand-over files. */
  readonly readablePaths?: readonly string[]
  /** Where the hand-over files live; default: `handOverDirectory()`. */
  readonly handOverDirectory?: string
}

/** Opens the DuckDB instance of one lane, locked: no files but the given ones, no extensions, no setting to change. */
export async function openLaneDatabase(options: LaneDatabaseOptions): Promise<LaneDatabase> {
  const directory = options.handOverDirectory ?? handOverDirectory()
  const input = HandOverFile.open(directory)
  const output = HandOverFile.open(directory)
  // Row groups may be larger than what shared memory has room for.
  const large = HandOverFile.open(options.handOverDirectory ?? os.tmpdir())
  const lent = Array.from({ length: LENT_FILES }, () => HandOverFile.open(directory))
  // Two hundred modules, which a thread that needs no database does not load.
  const { DuckDBInstance: Instance } = await import('./duckdb-library.ts')
  const instance = await Instance.create(':memory:', {
    // Two threads in one instance give less per CPU than one in each lane.
    threads: '1',
    memory_limit: `${Math.floor(options.memoryLimitBytes)}B`,
    temp_directory: options.tempDirectory ?? '',
    autoload_known_extensions: 'false',
    autoinstall_known_extensions: 'false',
    allow_community_extensions: 'false',
  })
  const connection = await instance.connect()
  const paths = [input, output, large, ...lent].map((file) => file.path)
  for (const statement of lockingStatements(paths, options.readablePaths ?? [])) {
    await connection.run(statement)
  }
  return new LaneDatabase(instance, connection, { input, output, large, lent })
}

function lockingStatements(handOver: readonly string[], readable: readonly string[]): string[] {
  const list = (paths: readonly string[]): string => `[${paths.map(quoteText).join(', ')}]`
  const files = [...handOver, ...readable.filter((path) => !path.endsWith('/'))]
  return [
    `SET TimeZone = 'UTC'`,
    // The hand-over files change under one name faster than the clock by which the cache looks: it gave old rows.
    `SET enable_external_file_cache = false`,
    `SET allowed_paths = ${list(files)}`,
    `SET allowed_directories = ${list(readable.filter((path) => path.endsWith('/')))}`,
    `SET enable_external_access = false`,
    `SET lock_configuration = true`,
  ]
}

/** Batches that may lie in files of their own at the same time: one is handled while the next one is made. */
const LENT_FILES = 2

interface HandOverFiles {
  readonly input: HandOverFile
  readonly output: HandOverFile
  readonly large: HandOverFile
  readonly lent: readonly HandOverFile[]
}

/**
 * The DuckDB of one lane. Its work is done one piece at a time (`exclusive`), since the hand-over files are shared.
 *
 * Ending the process or the thread while a native query runs aborts the process (code 134) or hangs it. So whoever ends
 * a lane awaits `close()`, which stops new work, interrupts the running query, waits for it and then closes.
 */
export class LaneDatabase implements AsyncDisposable {
  readonly connection: DuckDBConnection
  readonly input: HandOverFile
  readonly output: HandOverFile
  /** For input that is too large for `input`. */
  readonly large: HandOverFile
  readonly #instance: DuckDBInstance
  readonly #lent: readonly HandOverFile[]
  readonly #free: HandOverFile[]
  #last: Promise<unknown> = Promise.resolve()
  #isStopped = false
  #closed: Promise<void> | undefined

  constructor(instance: DuckDBInstance, connection: DuckDBConnection, files: HandOverFiles) {
    this.#instance = instance
    this.connection = connection
    this.input = files.input
    this.output = files.output
    this.large = files.large
    this.#lent = files.lent
    this.#free = [...files.lent]
  }

  /**
   * A file for one batch, which queries read in place for as long as it is kept: until `giveBack`. Undefined when all are
   * lent; then the batch has to become a table.
   */
  lend(): HandOverFile | undefined {
    return this.#free.pop()
  }

  giveBack(file: HandOverFile): void {
    this.#free.push(file)
  }

  /**
   * Runs `work` when all earlier work is done.
   *
   * @throws MillraceError `INTERRUPTED` when the database was told to close, or the query was interrupted.
   */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(async () => {
      if (this.#isStopped) throw interrupted()
      try {
        return await work()
      } catch (error) {
        throw this.#isStopped ? interrupted(error) : error
      }
    })
    this.#last = mine.catch(() => undefined)
    return mine
  }

  /** Runs SQL text of our own making; rows come as DuckDB's values. */
  run(sql: string): Promise<unknown[][]> {
    return this.exclusive(async () => (await this.connection.runAndReadAll(sql)).getRows())
  }

  prepare(sql: string): Promise<DuckDBPreparedStatement> {
    return this.exclusive(() => this.connection.prepare(sql))
  }

  /** Makes the running query fail soon. Harmless when none runs. */
  interrupt(): void {
    if (this.#closed === undefined) this.connection.interrupt()
  }

  /** Stops, interrupts, waits and closes; calling it again waits for the same end. */
  close(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed
    this.#isStopped = true
    this.connection.interrupt()
    // A query that was handed over but has not begun when we interrupt would miss it, so it is said again.
    const again = setInterval(() => this.connection.interrupt(), 2)
    this.#closed = this.#last.then(() => {
      clearInterval(again)
      this.connection.closeSync()
      this.#instance.closeSync()
      this.input.close()
      this.output.close()
      this.large.close()
      for (const file of this.#lent) file.close()
    })
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function interrupted(cause?: unknown): MillraceError {
  return new MillraceError('running a query: the lane is being closed', {
    code: 'INTERRUPTED',
    retry: 'restart',
    cause,
  })
}
