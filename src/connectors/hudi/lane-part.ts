import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { Meter } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { FileStore } from '../../core/file-store.ts'
import type { CutResult } from '../../core/sink.ts'
import type { LaneDatabase } from '../../dataplane/index.ts'
import type { StoredSchema } from './avro-schema.ts'
import { requestInstant } from './commit.ts'
import type { WriteStat } from './commit-metadata.ts'
import { partToJson, type Ticket } from './committable.ts'
import { GatheredRows } from './gathered-rows.ts'
import { LaneFile } from './lane-file.ts'
import { RowNames } from './meta-columns.ts'
import type { HudiTable } from './table.ts'

/** Rows that are gathered before they become row groups: fewer make files slow to read, more hold memory. */
const ROWS_PER_FRAGMENT = 60_000

/** A batch that is Parquet and has as many rows becomes a row group as it is; smaller ones are gathered. */
const ROWS_TO_APPEND = 8192

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

/** A lane's rows of one checkpoint: fragments of Parquet, as they come or of gathered rows, ended by `finish`. */
export class LanePart {
  readonly #options: LanePartOptions
  readonly #gathered: GatheredRows
  readonly #names: RowNames
  readonly #files = new Map<string, LaneFile>()
  readonly #stats: WriteStat[] = []
  #bytes = 0
  #sequence = 0
  #isAborted = false
  /** The call that is under way: they never overlap. */
  #busy: Promise<unknown> = Promise.resolve()
  #isRequested = false
  #table: HudiTable | undefined

  constructor(options: LanePartOptions) {
    const { name, lane, ticket } = options
    this.#options = options
    this.#gathered = new GatheredRows({ ...options, name: `rows of ${name}, lane ${lane}, for ${ticket.instant}` })
    this.#names = new RowNames(`${ticket.instant}_${lane}_`)
  }

  /** Takes the batch and releases it, large tables when their fragment is written. */
  write(batch: Batch): Promise<void> {
    return this.#exclusive(() => this.#write(batch))
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
    await this.#gathered.clear().catch(() => undefined)
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

  async #write(batch: Batch): Promise<void> {
    const { body, rows, bytes } = batch
    if (this.#isAborted) {
      batch.release()
      this.#refuseIfAborted()
    }
    if (body.kind === 'parquet' && rows >= ROWS_TO_APPEND && isOneFile(await this.#openTable())) {
      try {
        await this.#load((table) => this.#append(table, '', body.buffer.subarray(0, body.length)))
      } finally {
        batch.release()
      }
    } else {
      await this.#gathered.add(batch)
      this.#refuseIfAborted()
      if (this.#gathered.rows >= ROWS_PER_FRAGMENT) await this.#flush()
    }
    this.#bytes += bytes
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
    if (this.#gathered.rows === 0) return
    await this.#load(async (table) => {
      for (const partition of await this.#gathered.partitions(table)) {
        this.#refuseIfAborted()
        await this.#append(table, partition.path, await this.#gathered.fragment(partition, table))
      }
      await this.#gathered.clear()
    })
  }

  async #load(work: (table: HudiTable) => Promise<void>): Promise<void> {
    failpoint('sink.flush', 'before')
    const started = performance.now()
    const table = await this.#openTable()
    await this.#request()
    await work(table)
    failpoint('sink.flush', 'after')
    this.#options.meter.observe('load_seconds', (performance.now() - started) / 1000)
  }

  async #append(table: HudiTable, path: string, fragment: Uint8Array): Promise<void> {
    this.#refuseIfAborted()
    const file = this.#files.get(path) ?? (await this.#openFile(table, path))
    await file.append(fragment)
    if (file.bytes >= this.#options.targetFileSize) await this.#endFile(path)
  }

  async #openTable(): Promise<HudiTable> {
    this.#table ??= await this.#options.table()
    return this.#table
  }

  /** The first file of a lane puts the instant on the timeline. */
  async #request(): Promise<void> {
    if (this.#isRequested) return
    const { ticket } = this.#options
    const requested = await requestInstant(await this.#options.store(), ticket.instant, ticket.owner)
    if (requested === 'taken') {
      throw new MillraceError(`the instant ${ticket.instant} was taken by another writer of the table`, {
        code: 'UNAVAILABLE',
        retry: 'restart',
      })
    }
    this.#isRequested = true
  }

  async #openFile(table: HudiTable, path: string): Promise<LaneFile> {
    const { ticket, lane, lanes } = this.#options
    const store = await this.#options.store()
    const sequence = this.#sequence++
    const place = { store, table, ticket, lane, lanes, sequence, partitionPath: path, names: this.#names }
    const file = await LaneFile.open(place)
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

  #refuseIfAborted(): void {
    if (this.#isAborted) throw new MillraceError('the write was rolled back', { code: 'INTERRUPTED', retry: 'restart' })
  }
}

/** All rows go to one file at a time, and need no keys of their own. */
function isOneFile({ partitionFields, recordKeyFields }: HudiTable): boolean {
  return partitionFields.length === 0 && recordKeyFields.length === 0
}
