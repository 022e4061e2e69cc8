import { tmpdir } from 'node:os'
import { assert } from '../../../core/assert.ts'
import type { Clock } from '../../../core/context.ts'
import { MillraceError } from '../../../core/errors.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { FileStore } from '../../../core/file-store.ts'
import { type LaneDatabase, openLaneDatabase, ParquetAppender, quoteText } from '../../../dataplane/index.ts'
import type { WriteStat } from '../commit-metadata.ts'
import type { Ticket } from '../committable.ts'
import { dataFileName, formatDataFileName } from '../file-name.ts'
import { createMarker } from '../markers.ts'
import { joinPath } from '../partition.ts'
import type { MergeInput } from './choose-merge.ts'

export interface MergeWork {
  readonly store: FileStore
  /** Name of the table. */
  readonly table: string
  readonly ticket: Ticket
  /** Of one partition, oldest first. */
  readonly inputs: readonly MergeInput[]
  readonly compression: 'snappy' | 'zstd'
  /** How fast inputs are read at most. */
  readonly bytesPerSecond: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

const MEMORY_BYTES = 128 * 1024 * 1024
/** Rows of small inputs are gathered, so that the file gets few row groups; larger inputs make their own. */
const GATHERED_BYTES = 8 * 1024 * 1024
const GATHERED_ROWS = 100_000

const PARQUET_OPTIONS = 'USE_TMP_FILE false, DICTIONARY_SIZE_LIMIT 2048, WRITE_BLOOM_FILTER false'

/**
 * Writes the rows of the inputs, in order, into one file of the merge's instant. All columns stay as they are, also those
 * that say when a row was committed; only the file's name changes. DuckDB works in a thread of its own pool and memory
 * holds one input at a time, so whoever calls this is not held up.
 */
export async function mergeFiles(work: MergeWork): Promise<readonly WriteStat[]> {
  const { store, table, ticket, inputs } = work
  const [first] = inputs
  assert(first !== undefined, 'a merge has inputs')
  const { partitionPath } = first
  const name = dataFileName({ table, ...ticket, lane: 0, lanes: 1, sequence: 0 })
  const path = joinPath(partitionPath, formatDataFileName(name))
  // Not in memory: an input may be half as large as the largest file.
  const options = { memoryLimitBytes: MEMORY_BYTES, handOverDirectory: tmpdir() }
  await using database = await openLaneDatabase(options)
  work.signal.addEventListener('abort', () => database.interrupt(), { once: true })
  await createMarker(store, ticket.instant, path)
  const writer = await store.openWriter(path)
  try {
    const output = new Output(database, writer, formatDataFileName(name), work.compression)
    await output.shape(await bytesOf(store, inputs.at(-1) ?? first))
    for (const input of inputs) {
      if (work.signal.aborted) throw stopped()
      const started = work.clock.now()
      await output.add(await bytesOf(store, input))
      const pauseMs = started + (input.bytes / work.bytesPerSecond) * 1000 - work.clock.now()
      if (pauseMs > 1) await work.clock.sleep(pauseMs, work.signal)
    }
    const rows = await output.end()
    if (work.signal.aborted) throw stopped()
    failpoint('sink.prepare', 'before')
    const { size } = await writer.finish()
    failpoint('sink.prepare', 'after')
    return [{ fileId: name.fileId, path, partitionPath, rows, bytes: size }]
  } catch (thrown) {
    await writer.abort()
    throw thrown instanceof MillraceError ? thrown : unmergeable(thrown, inputs)
  }
}

async function bytesOf(store: FileStore, { path }: MergeInput): Promise<Uint8Array> {
  const bytes = await store.read(path)
  if (bytes !== undefined) return bytes
  throw new MillraceError(`merging ${path}: the file is gone`, { code: 'UNAVAILABLE', retry: 'retry' })
}

/** DuckDB's text may hold values; its class is enough. */
function unmergeable(thrown: unknown, inputs: readonly MergeInput[]): MillraceError {
  const kind = /^[A-Za-z ]{1,40}(?=:)/.exec(thrown instanceof Error ? thrown.message : '')?.[0] ?? 'error'
  const what = `${inputs.length} files of partition ${JSON.stringify(inputs[0]?.partitionPath ?? '')}`
  return new MillraceError(`merging ${what}: ${kind}; they stay as they are`, { code: 'UNAVAILABLE', retry: 'retry' })
}

function stopped(): MillraceError {
  return new MillraceError('the merge was told to stop', { code: 'INTERRUPTED', retry: 'restart' })
}

/** The merged file: fragments of Parquet that DuckDB writes, one after the other. */
class Output {
  readonly #database: LaneDatabase
  readonly #writer: { write(chunk: Uint8Array): Promise<void> }
  readonly #select: string
  readonly #options: string
  readonly #appender = new ParquetAppender()
  #gathered = { rows: 0, bytes: 0 }
  #rows = 0
  #buffer: Buffer | undefined

  constructor(
    database: LaneDatabase,
    writer: { write(chunk: Uint8Array): Promise<void> },
    fileName: string,
    compression: string,
  ) {
    this.#database = database
    this.#writer = writer
    this.#select = `SELECT * REPLACE (${quoteText(fileName)} AS _hoodie_file_name)`
    this.#options = `FORMAT parquet, COMPRESSION ${compression}, ${PARQUET_OPTIONS}`
  }

  /** The columns are those of the newest input: a table only grows by columns. */
  async shape(newest: Uint8Array): Promise<void> {
    await this.#database.run(`CREATE TEMP TABLE merged AS SELECT * FROM ${this.#input(newest)} LIMIT 0`)
  }

  async add(bytes: Uint8Array): Promise<void> {
    const input = this.#input(bytes)
    const [row] = await this.#database.run(`SELECT count(*) FROM ${input}`)
    const rows = Number(row?.[0])
    this.#rows += rows
    if (bytes.byteLength > GATHERED_BYTES || rows > GATHERED_ROWS) {
      await this.#flush()
      await this.#copy(`(SELECT * FROM merged UNION ALL BY NAME SELECT * FROM ${input})`)
      return
    }
    await this.#database.run(`INSERT INTO merged BY NAME SELECT * FROM ${input}`)
    this.#gathered = { rows: this.#gathered.rows + rows, bytes: this.#gathered.bytes + bytes.byteLength }
    if (this.#gathered.bytes >= GATHERED_BYTES || this.#gathered.rows >= GATHERED_ROWS) await this.#flush()
  }

  /** The number of rows. */
  async end(): Promise<number> {
    await this.#flush()
    await this.#writer.write(this.#appender.finish())
    assert(this.#appender.rows === this.#rows, 'a merge writes all rows that it reads')
    return this.#rows
  }

  async #flush(): Promise<void> {
    if (this.#gathered.rows === 0) return
    await this.#copy('merged')
    await this.#database.run('TRUNCATE merged')
    this.#gathered = { rows: 0, bytes: 0 }
  }

  async #copy(rows: string): Promise<void> {
    const { output } = this.#database
    await this.#database.run(`COPY (${this.#select} FROM ${rows}) TO ${quoteText(output.path)} (${this.#options})`)
    const { buffer, length } = output.read(this.#buffer)
    this.#buffer = buffer
    for (const piece of this.#appender.append(buffer.subarray(0, length))) await this.#writer.write(piece)
  }

  #input(bytes: Uint8Array): string {
    this.#database.input.write(bytes, bytes.byteLength)
    return `read_parquet(${quoteText(this.#database.input.path)}, hive_partitioning = false)`
  }
}
