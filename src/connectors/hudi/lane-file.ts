import type { FileStore, FileWriter } from '../../core/file-store.ts'
import { ParquetAppender } from '../../dataplane/index.ts'
import type { WriteStat } from './commit-metadata.ts'
import type { Ticket } from './committable.ts'
import { dataFileName, formatDataFileName } from './file-name.ts'
import { createMarker } from './markers.ts'
import { metaColumns, type RowNames } from './meta-columns.ts'
import { ensurePartition, joinPath } from './partition.ts'
import type { HudiTable } from './table.ts'

export interface LaneFilePlace {
  readonly store: FileStore
  readonly table: HudiTable
  readonly ticket: Ticket
  readonly lane: number
  readonly lanes: number
  readonly sequence: number
  readonly partitionPath: string
  /** Of the rows of all files of the lane's part. */
  readonly names: RowNames
}

/** A data file that one lane is writing: fragments of Parquet, one after the other. */
export class LaneFile {
  readonly fileName: string
  readonly #place: LaneFilePlace
  readonly #fileId: string
  readonly #path: string
  readonly #writer: FileWriter
  readonly #appender: ParquetAppender

  private constructor(place: LaneFilePlace, fileId: string, fileName: string, writer: FileWriter) {
    this.#place = place
    this.#fileId = fileId
    this.fileName = fileName
    this.#path = joinPath(place.partitionPath, fileName)
    this.#writer = writer
    const { ticket, partitionPath, names, table } = place
    const isKeyed = table.recordKeyFields.length > 0
    this.#appender = new ParquetAppender(
      metaColumns({ instant: ticket.instant, fileName, partitionPath, names, isKeyed }),
    )
  }

  /** The marker comes before the file, so that whoever cleans up behind us finds it. */
  static async open(place: LaneFilePlace): Promise<LaneFile> {
    const { store, table, ticket, lane, lanes, sequence, partitionPath } = place
    const { instant, owner } = ticket
    const name = dataFileName({ table: table.name, owner, instant, lane, lanes, sequence })
    const fileName = formatDataFileName(name)
    await ensurePartition(store, table, partitionPath, instant)
    await createMarker(store, instant, joinPath(partitionPath, fileName))
    return new LaneFile(place, name.fileId, fileName, await store.openWriter(joinPath(partitionPath, fileName)))
  }

  get bytes(): number {
    return this.#appender.bytes
  }

  /** Resolves when the fragment's buffer may be used again. */
  async append(fragment: Uint8Array): Promise<void> {
    for (const piece of this.#appender.append(fragment)) await this.#writer.write(piece)
  }

  /** Durable under its name, and still invisible to readers: its instant is not completed. */
  async finish(): Promise<WriteStat> {
    await this.#writer.write(this.#appender.finish())
    const { size } = await this.#writer.finish()
    const { partitionPath } = this.#place
    return { fileId: this.#fileId, path: this.#path, partitionPath, rows: this.#appender.rows, bytes: size }
  }

  abort(): Promise<void> {
    return this.#writer.abort()
  }
}
