import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { Meter } from '../../core/context.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { FileStore } from '../../core/file-store.ts'
import type { CutResult } from '../../core/sink.ts'
import { type LaneDatabase, quoteName, quoteText } from '../../dataplane/index.ts'
import type { StoredSchema } from './avro-schema.ts'
import { requestInstant } from './commit.ts'
import type { WriteStat } from './commit-metadata.ts'
import { partToJson, type Ticket } from './committable.ts'
import { LaneFile } from './lane-file.ts'
import { selectList } from './meta-columns.ts'
import { partitionPath } from './partition.ts'
import type { HudiTable } from './table.ts'

/** Rows that are gathered before they become row groups: fewer make files slow to read, more hold memory. */
const ROWS_PER_FRAGMENT = 60_000

/** Batches with as many rows are kept as they come until a fragment is written; the rows of smaller ones are copied. */
const ROWS_TO_KEEP = 4096

/**
 * DuckDB hashes every text for a dictionary until that is full, by default at a fifth of 122 880 values: sequence numbers
 * and keys are different in every row. Hudi's readers do not look into Parquet's bloom filters.
 */
const PARQUET_OPTIONS = 'USE_TMP_FILE false, DICTIONARY_SIZE_LIMIT 2048, WRITE_BLOOM_FILTER false'

/** Number of a row in its fragment. No column is called so: stored names have no blanks. */
const ROW = quoteName('row of fragment')

export interface LanePartOptions {
  readonly ticket: Ticket
  readonly lane: number
  readonly lanes: number
  /** Id of the sink: temporary tables of two sinks in one lane must not meet. */
  readonly name: string
  readonly stored: StoredSchema
  readonly targetFileSize: number
  readonly compression: 'snappy' | 'zstd'
  readonly meter: Meter
  database(): Promise<LaneDatabase>
  store(): Promise<FileStore>
  table(): Promise<HudiTable>
}

/** A lane's rows of one checkpoint: gathered as temporary tables, written as fragments, ended by `finish`. */
export class LanePart {
  readonly #options: LanePartOptions
  /** Table of the rows of small batches. */
  readonly #gathered: string
  #rowsCopied = 0
  /** Large batches whose rows are in no file yet. */
  #kept: Batch[] = []
  readonly #files = new Map<string, LaneFile>()
  readonly #stats: WriteStat[] = []
  #rows = 0
  /** Rows that are in no file yet. */
  #rowsGathered = 0
  #bytes = 0
  #sequence = 0
  #isAborted = false
  /** The call that is under way: they never overlap. */
  #busy: Promise<unknown> = Promise.resolve()
  #isRequested = false
  #buffer: Buffer | undefined
  #table: HudiTable | undefined

  constructor(options: LanePartOptions) {
    this.#options = options
    this.#gathered = quoteName(`rows of ${options.name}, lane ${options.lane}, for ${options.ticket.instant}`)
  }

  /** Takes the batch and releases it, large ones when their fragment is written. */
  write(batch: Batch): Promise<void> {
    return this.#exclusive(() => this.#gather(batch))
  }

  /** Everything durable; the part for the manifest. */
  finish(): Promise<CutResult> {
    return this.#exclusive(() => this.#finish())
  }

  /** Open files vanish. Finished ones stay until their instant is rolled back, by the coordinator. */
  async abort(): Promise<void> {
    this.#isAborted = true
    await this.#busy.catch(() => undefined)
    await Promise.all([...this.#files.values()].map((file) => file.abort()))
    this.#files.clear()
    this.#releaseKept()
    if (this.#rowsCopied === 0) return
    const database = await this.#options.database()
    await database.run(`DROP TABLE IF EXISTS ${this.#gathered}`).catch(() => undefined)
  }

  /** What an abort breaks off rejects as interrupted, whatever it met last. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#busy
      .catch(() => undefined)
      .then(work)
      .catch((thrown: unknown) => {
        this.#refuseIfAborted()
        throw thrown
      })
    this.#busy = mine.catch(() => undefined)
    return mine
  }

  async #gather(batch: Batch): Promise<void> {
    if (batch.rows >= ROWS_TO_KEEP && !this.#isAborted) this.#kept.push(batch)
    else {
      try {
        await this.#copy(batch)
      } finally {
        batch.release()
      }
    }
    this.#refuseIfAborted()
    this.#rowsGathered += batch.rows
    this.#bytes += batch.bytes
    if (this.#rowsGathered >= ROWS_PER_FRAGMENT) await this.#flush()
  }

  async #copy(batch: Batch): Promise<void> {
    const database = await this.#options.database()
    this.#refuseIfAborted()
    const select = `SELECT ${this.#columns('incoming')} FROM ${relationOf(batch)}`
    await encoding(
      database.run(
        this.#rowsCopied === 0
          ? `CREATE OR REPLACE TEMP TABLE ${this.#gathered} AS ${select}`
          : `INSERT INTO ${this.#gathered} ${select}`,
      ),
    )
    this.#rowsCopied += batch.rows
  }

  /** The columns of the table, of rows as they come in or of rows that were copied. */
  #columns(rows: 'incoming' | 'copied'): string {
    const { columns } = this.#options.stored
    const item = (name: string, computed: string | undefined): string =>
      rows === 'copied' || computed === undefined ? quoteName(name) : `${computed} AS ${quoteName(name)}`
    return columns.map(({ name, computed }) => item(name, computed)).join(', ')
  }

  /** All rows that are in no file yet, numbered, as a relation. */
  #gatheredRows(): string {
    const incoming = this.#columns('incoming')
    const tables = this.#kept.map((batch) => ({ table: relationOf(batch), rows: batch.rows, columns: incoming }))
    if (this.#rowsCopied > 0) {
      tables.push({ table: this.#gathered, rows: this.#rowsCopied, columns: this.#columns('copied') })
    }
    let first = 0
    const selects = tables.map(({ table, rows, columns }) => {
      const select = `SELECT ${columns}, rowid + ${first} AS ${ROW} FROM ${table}`
      first += rows
      return select
    })
    return `(${selects.join(' UNION ALL ')})`
  }

  #releaseKept(): void {
    for (const batch of this.#kept) batch.release()
    this.#kept = []
  }

  async #finish(): Promise<CutResult> {
    await this.#flush()
    for (const partition of this.#files.keys()) await this.#endFile(partition)
    this.#refuseIfAborted()
    const written = this.#stats.reduce((sum, { rows }) => sum + rows, 0)
    if (this.#stats.length === 0) return { committables: [], counts: { rows: 0, bytes: 0 } }
    return {
      committables: [partToJson(this.#options.ticket, this.#stats)],
      counts: { rows: written, bytes: this.#bytes },
    }
  }

  async #flush(): Promise<void> {
    if (this.#rowsGathered === 0) return
    failpoint('sink.flush', 'before')
    const started = performance.now()
    const table = await this.#request()
    const database = await this.#options.database()
    for (const { path, where } of await this.#partitions(database, table)) {
      this.#refuseIfAborted()
      const file = this.#files.get(path) ?? (await this.#openFile(table, path))
      const fragment = await this.#fragment(database, { path, where, fileName: file.fileName })
      await file.append(fragment)
      if (file.bytes >= this.#options.targetFileSize) await this.#endFile(path)
    }
    await database.run(`DROP TABLE IF EXISTS ${this.#gathered}`)
    this.#releaseKept()
    this.#rowsCopied = 0
    this.#rows += this.#rowsGathered
    this.#rowsGathered = 0
    failpoint('sink.flush', 'after')
    this.#options.meter.observe('load_seconds', (performance.now() - started) / 1000)
  }

  /** The first file of a lane puts the instant on the timeline. */
  async #request(): Promise<HudiTable> {
    const { ticket } = this.#options
    this.#table ??= await this.#options.table()
    if (this.#isRequested) return this.#table
    const requested = await requestInstant(await this.#options.store(), ticket.instant, ticket.owner)
    if (requested === 'taken') {
      throw new MillraceError(`the instant ${ticket.instant} was taken by another writer of the table`, {
        code: 'UNAVAILABLE',
        retry: 'restart',
      })
    }
    this.#isRequested = true
    return this.#table
  }

  async #partitions(
    database: LaneDatabase,
    table: HudiTable,
  ): Promise<readonly { readonly path: string; readonly where: string }[]> {
    if (table.partitionFields.length === 0) return [{ path: '', where: '' }]
    const texts = table.partitionFields.map((field) => `CAST(${quoteName(field)} AS VARCHAR)`)
    const distinct = `SELECT DISTINCT ${texts.join(', ')} FROM ${this.#gatheredRows()} ORDER BY ALL`
    const rows = await encoding(database.run(distinct))
    return rows.map((row) => {
      const values = row.map((value) => (value === null ? null : String(value)))
      // Field by field: joined values of two partitions may look the same.
      const conditions = texts.map((text, field) => `${text} IS NOT DISTINCT FROM ${textOrNull(values[field])}`)
      return {
        path: partitionPath(table, values),
        where: rows.length === 1 ? '' : `WHERE ${conditions.join(' AND ')}`,
      }
    })
  }

  async #openFile(table: HudiTable, path: string): Promise<LaneFile> {
    const { ticket, lane, lanes } = this.#options
    const store = await this.#options.store()
    const sequence = this.#sequence++
    const file = await LaneFile.open({ store, table, ticket, lane, lanes, sequence, partitionPath: path })
    this.#files.set(path, file)
    return file
  }

  async #endFile(partition: string): Promise<void> {
    const file = this.#files.get(partition)
    assert(file !== undefined, 'only an open file is ended')
    this.#refuseIfAborted()
    this.#stats.push(await file.finish())
    this.#files.delete(partition)
    this.#options.meter.count('loads', 1, { result: 'ok' })
  }

  async #fragment(
    database: LaneDatabase,
    of: { readonly path: string; readonly where: string; readonly fileName: string },
  ): Promise<Uint8Array> {
    const { ticket, lane, stored, compression } = this.#options
    const meta = {
      instant: ticket.instant,
      fileName: of.fileName,
      partitionPath: of.path,
      writer: String(lane),
      rowIndex: ROW,
      rowBase: BigInt(this.#rows),
      recordKeyFields: this.#table?.recordKeyFields ?? [],
    }
    const select = `SELECT ${selectList(meta, stored.columns)} FROM ${this.#gatheredRows()} ${of.where}`
    const copy =
      `COPY (${select}) TO ${quoteText(database.output.path)} ` +
      `(FORMAT parquet, COMPRESSION ${compression}, ${PARQUET_OPTIONS})`
    return await database.exclusive(async () => {
      await encoding(database.connection.run(copy))
      const { buffer, length } = database.output.read(this.#buffer)
      this.#buffer = buffer
      database.output.shrink()
      return buffer.subarray(0, length)
    })
  }

  #refuseIfAborted(): void {
    if (this.#isAborted) throw new MillraceError('the write was rolled back', { code: 'INTERRUPTED', retry: 'restart' })
  }
}

function relationOf({ body }: Batch): string {
  assert(body.kind === 'table', 'a hudi sink is given tables')
  return quoteName(body.relation)
}

async function encoding<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (thrown) {
    throw encodingFailed(thrown)
  }
}

/** DuckDB's text holds values; its class is enough. */
function encodingFailed(thrown: unknown): MillraceError {
  const error = toMillraceError(thrown)
  if (error.code === 'INTERRUPTED') return error
  const kind = /^[A-Za-z ]{1,40}(?=:)/.exec(error.message)?.[0] ?? 'error'
  const isMachine = /^(IO|Out of Memory|INTERRUPT)/i.test(kind)
  return new MillraceError(
    `writing rows as Parquet: ${kind}; a value does not fit its column's stored type or a partition expression`,
    {
      code: isMachine ? 'UNAVAILABLE' : 'POISON',
      retry: isMachine ? 'restart' : 'halt',
    },
  )
}

function textOrNull(value: string | null | undefined): string {
  return value === null || value === undefined ? 'NULL' : quoteText(value)
}
