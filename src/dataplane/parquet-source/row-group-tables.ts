import { MillraceError } from '../../core/errors.ts'
import { HAND_OVER_BYTES_MAX } from '../hand-over.ts'
import type { LaneDatabase } from '../lane-database.ts'
import { quoteName, quoteText } from '../sql-text.ts'
import type { ByteRanges } from './byte-ranges.ts'
import { NOT_EXACT } from './exact-cast.ts'
import { fileType, type FileType } from './file-type.ts'
import type { ParquetFooter, ParquetRowGroup } from './footer.ts'
import { FiledRowGroup } from './filed-row-group.ts'
import { emptyRowGroupFile, rowGroupBytes, rowGroupFile, rowGroupPieces } from './row-group-file.ts'

/** The number of each row in its file, for conditions and select lists of `RowSelect`. */
export const FILE_ROW = '"row of the file"'

/** How rows of a row group become rows of a table; the group's columns are called as `rowGroupColumn` says. */
export interface RowSelect {
  /** Numbers of the footer's columns that are read. */
  readonly columns: readonly number[]
  /** A select list over those columns and `FILE_ROW`. */
  readonly list: string
  /** Joins with other tables, after `FROM … AS source`. */
  readonly joins?: string
  /** A condition over the same; `undefined` takes every row. */
  readonly condition: string | undefined
  /** The tables tell where each of their rows stands in the file. */
  readonly isTraced?: boolean
}

/** Rows of a file as a temporary table, which whoever takes it drops. */
export interface RowTable {
  readonly relation: string
  /** Rows in the table. */
  readonly rows: number
  /** Rows of the file that were looked at: from this one up to the next one. */
  readonly from: number
  readonly to: number
  /** Size, for budgets: the share of the row group's bytes in the file. */
  readonly bytes: number
  /** Where each row stands in the file, when that was asked for. */
  readonly fileRows?: BigInt64Array
}

const VECTOR_ROWS = 2048
/** A table's size in DuckDB is guessed: the unpacked bytes, and so many for each value. */
const VALUE_BYTES = 16
const TABLE_BYTES = 16 * 1024 * 1024
const TABLE_ROWS_MAX = 122_880
/** Windows of a group that are decoded one by one; more of them are cut from a table that is decoded once. */
const DIRECT_WINDOWS = 3
/** Row groups of so few bytes lie in memory, and are fetched while the one before is being worked on. */
const MEMORY_BYTES_MAX = 16 * 1024 * 1024

let names = 0

/** DuckDB's types of columns of a file. */
export async function columnTypes(
  database: LaneDatabase,
  file: ByteRanges,
  footer: ParquetFooter,
  columns: readonly number[],
): Promise<readonly FileType[]> {
  if (columns.length === 0) return []
  return await onRowGroup(database, file, emptyRowGroupFile(footer, columns), async (path) => {
    const none = await database.connection.runAndReadAll(`SELECT * FROM read_parquet(${quoteText(path)})`)
    return none.columnTypes().map(fileType)
  })
}

/**
 * The tables of one row group, one after the other. They are cut so that none is large, and what has to be skipped to
 * get to a table's first row is not decoded too often.
 */
export class RowGroupTables {
  readonly #database: LaneDatabase
  readonly #file: ByteRanges
  readonly #group: ParquetRowGroup
  readonly #select: RowSelect
  readonly #content: readonly Uint8Array[] | FiledRowGroup
  readonly #bytesPerRow: number
  readonly #windowRows: number
  readonly #isStaged: boolean
  #stage: { readonly table: string; readonly from: number; readonly to: number } | undefined
  #row: number

  private constructor(
    database: LaneDatabase,
    file: ByteRanges,
    group: ParquetRowGroup,
    select: RowSelect,
    loaded: LoadedRowGroup,
    row: number,
  ) {
    this.#database = database
    this.#file = file
    this.#group = group
    this.#select = select
    const { pieces } = loaded
    this.#content = typeof pieces === 'function' ? new FiledRowGroup(database, pieces) : pieces
    this.#bytesPerRow = loaded.packed / Math.max(1, group.rows)
    const guess = loaded.unpacked / Math.max(1, group.rows) + VALUE_BYTES * Math.max(1, select.columns.length)
    const windows = Math.max(
      1,
      Math.ceil(group.rows / Math.min(TABLE_ROWS_MAX, Math.max(VECTOR_ROWS, TABLE_BYTES / guess))),
    )
    this.#windowRows = Math.max(VECTOR_ROWS, Math.ceil(group.rows / windows / VECTOR_ROWS) * VECTOR_ROWS)
    this.#isStaged = windows > DIRECT_WINDOWS
    this.#row = Math.max(0, row - group.firstRow)
  }

  /** Begins at `row`, a row of the file, or with the group when that lies before it. */
  static open(
    database: LaneDatabase,
    file: ByteRanges,
    group: ParquetRowGroup,
    select: RowSelect,
    loaded: LoadedRowGroup,
    row: number,
  ): RowGroupTables {
    return new RowGroupTables(database, file, group, select, loaded, row)
  }

  /** The next table, `undefined` behind the last row. Tables may be empty where a condition leaves rows out. */
  async next(): Promise<RowTable | undefined> {
    const from = this.#row
    const { rows, firstRow } = this.#group
    if (from >= rows) return undefined
    const to = Math.min(rows, (Math.floor(from / this.#windowRows) + 1) * this.#windowRows)
    const relation = `rows of a file ${++names}`
    const count = this.#isStaged ? await this.#slice(relation, from, to) : await this.#decode(relation, from, to, false)
    this.#row = to
    const bytes = Math.round((to - from) * this.#bytesPerRow)
    const table = { relation, rows: count, from: firstRow + from, to: firstRow + to, bytes }
    return this.#isTraced ? { ...table, fileRows: await this.#fileRows(relation) } : table
  }

  async close(): Promise<void> {
    await this.#dropStage()
    if (this.#content instanceof FiledRowGroup) await this.#content.release()
  }

  async #dropStage(): Promise<void> {
    const stage = this.#stage
    this.#stage = undefined
    if (stage !== undefined) await this.#database.run(`DROP TABLE IF EXISTS ${quoteName(stage.table)}`)
  }

  get #isTraced(): boolean {
    return this.#select.isTraced === true
  }

  async #fileRows(relation: string): Promise<BigInt64Array> {
    const rows = await this.#database.run(`SELECT ${FILE_ROW} FROM ${quoteName(relation)} ORDER BY rowid`)
    return BigInt64Array.from(rows, ([row]) => BigInt(String(row)))
  }

  /** From the staged table, whose last column is the row of the file. */
  async #slice(relation: string, from: number, to: number): Promise<number> {
    if (this.#stage === undefined || to > this.#stage.to) {
      await this.#dropStage()
      const table = `decoded rows ${++names}`
      const end = Math.min(this.#group.rows, from + (DIRECT_WINDOWS + 1) * this.#windowRows)
      await this.#decode(table, from, end, true)
      this.#stage = { table, from, to: end }
    }
    const { firstRow } = this.#group
    const rows = await this.#database.run(
      `CREATE TEMP TABLE ${quoteName(relation)} AS SELECT ${this.#isTraced ? '*' : `* EXCLUDE (${FILE_ROW})`} FROM ${quoteName(this.#stage.table)} ` +
        `WHERE ${FILE_ROW} >= ${firstRow + from} AND ${FILE_ROW} < ${firstRow + to}`,
    )
    return Number(rows[0]?.[0] ?? 0)
  }

  async #decode(table: string, from: number, to: number, isStage: boolean): Promise<number> {
    const { rows, firstRow } = this.#group
    const { list, joins, condition } = this.#select
    const conditions = [
      ...(from > 0 ? [`file_row_number >= ${from}`] : []),
      ...(to < rows ? [`file_row_number < ${to}`] : []),
      ...(condition === undefined ? [] : [`(${condition})`]),
    ]
    return await onRowGroup(this.#database, this.#file, this.#content, async (path) => {
      const done = await this.#database.connection.runAndReadAll(
        `CREATE TEMP TABLE ${quoteName(table)} AS SELECT ${list}${isStage || this.#isTraced ? `, ${FILE_ROW}` : ''} FROM (` +
          `SELECT *, file_row_number + ${firstRow} AS ${FILE_ROW} ` +
          `FROM read_parquet(${quoteText(path)}, file_row_number = true)) AS source${joins === undefined ? '' : ` ${joins}`}` +
          (conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`),
      )
      return Number(done.getRows()[0]?.[0] ?? 0)
    })
  }
}

/** A row group as a file of its own: the bytes when they are few, or a way to get them one piece after the other. */
export interface LoadedRowGroup {
  readonly pieces: readonly Uint8Array[] | (() => AsyncIterable<Uint8Array>)
  readonly packed: number
  readonly unpacked: number
}

export async function loadRowGroup(
  file: ByteRanges,
  footer: ParquetFooter,
  group: ParquetRowGroup,
  columns: readonly number[],
): Promise<LoadedRowGroup> {
  const bytes = rowGroupBytes(footer, group, columns)
  const isSmall = bytes.packed <= MEMORY_BYTES_MAX
  const pieces = isSmall
    ? await rowGroupFile(file, footer, group, columns)
    : () => rowGroupPieces(file, footer, group, columns)
  return { pieces, ...bytes }
}

/**
 * Begins to fetch a row group that will be wanted soon; `undefined` when it is so large that it may not lie beside another one.
 * Its failure is only heard by whoever awaits it.
 */
export function loadAhead(
  file: ByteRanges,
  footer: ParquetFooter,
  group: ParquetRowGroup | undefined,
  columns: readonly number[],
): Promise<LoadedRowGroup> | undefined {
  if (group === undefined || rowGroupBytes(footer, group, columns).packed > MEMORY_BYTES_MAX) return undefined
  const loading = loadRowGroup(file, footer, group, columns)
  loading.catch(() => undefined)
  return loading
}

/** Puts the content where DuckDB may read, and runs `work` with the path. Its errors come without values. */
async function onRowGroup<T>(
  database: LaneDatabase,
  file: ByteRanges,
  content: readonly Uint8Array[] | FiledRowGroup,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const read = async (path: string): Promise<T> => {
    try {
      return await work(path)
    } catch (thrown) {
      throw readFailed(file, thrown)
    }
  }
  if (content instanceof FiledRowGroup) return await content.use(read)
  const bytes = content.reduce((sum, part) => sum + part.length, 0)
  return await database.exclusive(async () => {
    if (bytes <= HAND_OVER_BYTES_MAX) {
      database.input.writeParts(content)
      return await read(database.input.path)
    }
    database.large.writeParts(content)
    try {
      return await read(database.large.path)
    } finally {
      database.large.shrink()
    }
  })
}

/** DuckDB's message may hold values: only its class is told, or what we raised ourselves. */
function readFailed(file: ByteRanges, thrown: unknown): unknown {
  if (thrown instanceof MillraceError) return thrown
  const message = thrown instanceof Error ? thrown.message : ''
  const raised = message.split(NOT_EXACT)[1]?.split('\n')[0]
  if (raised !== undefined) {
    return new MillraceError(`reading ${file.name}: a value of column ${raised}`, {
      code: 'POISON',
      detail: { file: file.name },
    })
  }
  if (/^INTERRUPT/i.test(message)) return thrown
  const kind = /^[A-Za-z ]{1,40}(?=:)/.exec(message)?.[0] ?? 'error'
  return new MillraceError(`reading ${file.name} as Parquet failed (${kind}); is the file damaged?`, {
    code: 'DECODE',
    detail: { file: file.name },
  })
}
