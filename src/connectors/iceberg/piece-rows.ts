import {
  columnsOfWhere,
  type IcebergField,
  type Piece,
  type RowDeletes,
  type Where,
} from '../../clients/iceberg/index.ts'
import { quoteName, quoteText, type LaneDatabase } from '../../dataplane/index.ts'
import {
  columnTypes,
  FILE_ROW,
  loadAhead,
  loadRowGroup,
  readFooter,
  RowGroupTables,
  type ByteRanges,
  type LoadedRowGroup,
  type ParquetFooter,
  type ParquetRowGroup,
  type RowSelect,
  type RowTable,
} from '../../dataplane/parquet-source/index.ts'
import type { DeleteTables, EqualityTable } from './delete-tables.ts'
import { FileColumns, nullOf } from './file-columns.ts'
import { groupMayMatch } from './group-pruning.ts'
import type { IcebergTable } from './open-table.ts'
import { whereSql } from './where-sql.ts'

/** What is read of every file. */
export interface RowsWanted {
  readonly fields: readonly IcebergField[]
  readonly where: Where | undefined
  /** A condition of the SQL behind the source: pieces and row groups without a row of it are left out. */
  readonly prune?: Where | undefined
  /** Names of the fields whose values are read, the others come as NULL; absent: all. */
  readonly reads?: readonly string[] | undefined
  /** Metadata columns that the tables have beside the fields. */
  readonly metadata: readonly string[]
  /** Each row's place in its file will be asked for. */
  readonly isTraced?: boolean
}

/** The rows of one piece of a snapshot, as tables of the lane: live ones only, in the columns of the plan. */
export class PieceRows {
  readonly #database: LaneDatabase
  readonly #opened: OpenedPiece
  readonly #select: RowSelect
  readonly #groups: readonly ParquetRowGroup[]
  readonly #dropLater: readonly string[]
  readonly #deletes: DeleteTables
  #index = 0
  #row: number
  #tables: RowGroupTables | undefined
  #ahead: Promise<LoadedRowGroup> | undefined

  private constructor(
    database: LaneDatabase,
    opened: OpenedPiece,
    prepared: {
      readonly groups: readonly ParquetRowGroup[]
      readonly select: RowSelect
      readonly dropLater: readonly string[]
      readonly deletes: DeleteTables
    },
    row: number,
  ) {
    this.#database = database
    this.#opened = opened
    this.#select = prepared.select
    this.#dropLater = prepared.dropLater
    this.#deletes = prepared.deletes
    this.#groups = prepared.groups.filter(({ firstRow, rows }) => firstRow + rows > row)
    this.#row = row
  }

  static async open(
    database: LaneDatabase,
    table: IcebergTable,
    opened: OpenedPiece,
    wanted: RowsWanted,
    deletes: DeleteTables,
    snapshot: string,
    row: number,
  ): Promise<PieceRows> {
    const { piece } = opened
    const { task } = piece
    const joins = await loadDeletes(table, task.deletes, task.file.path, deletes)
    const only = task.only === undefined ? undefined : await loadDeletes(table, task.only, task.file.path, deletes)
    const equality = [...joins.equality, ...(only?.equality ?? [])]
    const where = wanted.where === undefined ? [] : columnsOfWhere(wanted.where)
    const isRead = ({ name }: IcebergField): boolean => wanted.reads?.includes(name) ?? true
    const needed = new Map(
      [...wanted.fields.filter(isRead), ...where, ...equality.flatMap(({ fields }) => fields)].map((field) => [
        field.id,
        field,
      ]),
    )
    const columns = new FileColumns(opened.footer, task.file, table.metadata, [...needed.values()])
    const types = await columnTypes(database, opened.file, opened.footer, columns.read)
    const at = (field: IcebergField): string => columns.sql(field, types)
    const conditions = [
      ...(only === undefined ? [] : [deletedBy(only, at)]),
      ...(wanted.where === undefined ? [] : [whereSql(wanted.where, at)]),
    ]
    const select: RowSelect = {
      columns: columns.read,
      list: [
        ...wanted.fields.map((field) => `${isRead(field) ? at(field) : nullOf(field)} AS ${quoteName(field.name)}`),
        ...wanted.metadata.map((name) => `${metadataSql(name, piece, snapshot)} AS ${quoteName(name)}`),
      ].join(', '),
      joins: antiJoins(joins, at),
      isTraced: wanted.isTraced === true,
      condition: conditions.length === 0 ? undefined : conditions.map((one) => `(${one})`).join(' AND '),
    }
    const dropLater = [joins.positions, only?.positions].filter((name) => name !== undefined)
    const { footer } = opened
    const bounds = [wanted.where, wanted.prune].filter((one) => one !== undefined)
    const groups = opened.groups.filter((group) => bounds.every((one) => groupMayMatch(one, footer, group)))
    return new PieceRows(database, opened, { groups, select, dropLater, deletes }, row)
  }

  /** The next table, `undefined` behind the last row of the piece. */
  async next(): Promise<RowTable | undefined> {
    for (;;) {
      const tables = (this.#tables ??= await this.#openGroup())
      if (tables === undefined) return undefined
      const table = await tables.next()
      if (table !== undefined) {
        this.#row = table.to
        return table
      }
      await tables.close()
      this.#tables = undefined
      this.#index++
    }
  }

  /** True when every row of the piece was given. */
  get isAtEnd(): boolean {
    const last = this.#groups.at(-1)
    return last === undefined || this.#row >= last.firstRow + last.rows
  }

  async close(): Promise<void> {
    await this.#tables?.close()
    for (const relation of this.#dropLater) await this.#deletes.drop(relation)
  }

  async #openGroup(): Promise<RowGroupTables | undefined> {
    const group = this.#groups[this.#index]
    if (group === undefined) return undefined
    const { file, footer } = this.#opened
    const { columns } = this.#select
    const loaded = await (this.#ahead ?? loadRowGroup(file, footer, group, columns))
    this.#ahead = loadAhead(file, footer, this.#groups[this.#index + 1], columns)
    return RowGroupTables.open(this.#database, file, group, this.#select, loaded, this.#row)
  }
}

/** A piece whose file's footer was read. */
export interface OpenedPiece {
  readonly piece: Piece
  readonly file: ByteRanges
  readonly footer: ParquetFooter
  /** The row groups that begin in the piece. */
  readonly groups: readonly ParquetRowGroup[]
}

export async function openPiece(table: IcebergTable, piece: Piece): Promise<OpenedPiece> {
  const { footer, file } = await readFooter(table.files.ranges(piece.task.file.path, piece.task.file.size))
  const groups = footer.groups.filter(({ start }) => start >= piece.start && start < piece.end)
  return { piece, file, footer, groups }
}

interface LoadedDeletes {
  readonly positions: string | undefined
  readonly equality: readonly EqualityTable[]
}

async function loadDeletes(
  table: IcebergTable,
  deletes: RowDeletes,
  path: string,
  into: DeleteTables,
): Promise<LoadedDeletes> {
  const { files, metadata } = table
  return {
    positions:
      deletes.positions.length === 0 ? undefined : await into.positions(files, metadata, deletes.positions, path),
    equality: deletes.equality.length === 0 ? [] : await into.equality(files, metadata, deletes.equality),
  }
}

function antiJoins({ positions, equality }: LoadedDeletes, at: (field: IcebergField) => string): string {
  const joins = equality.map((table, index) => {
    const alias = `e${index}`
    return `ANTI JOIN ${quoteName(table.relation)} AS ${alias} ON ${equalTo(table, alias, at)}`
  })
  if (positions !== undefined) joins.push(`ANTI JOIN ${quoteName(positions)} AS p ON source.${FILE_ROW} = p.pos`)
  return joins.join(' ')
}

function deletedBy({ positions, equality }: LoadedDeletes, at: (field: IcebergField) => string): string {
  const parts = equality.map((table, index) => {
    const alias = `o${index}`
    return `EXISTS (SELECT 1 FROM ${quoteName(table.relation)} AS ${alias} WHERE ${equalTo(table, alias, at)})`
  })
  if (positions !== undefined) parts.push(`source.${FILE_ROW} IN (SELECT pos FROM ${quoteName(positions)})`)
  return parts.join(' OR ')
}

/** NULL equals NULL, and nothing else. */
function equalTo({ fields }: EqualityTable, alias: string, at: (field: IcebergField) => string): string {
  return fields.map((field, index) => `${at(field)} IS NOT DISTINCT FROM ${alias}.k${index}`).join(' AND ')
}

function metadataSql(name: string, { task }: Piece, snapshot: string): string {
  switch (name) {
    case '_file':
      return quoteText(task.file.path)
    case '_offset':
      return `source.${FILE_ROW}`
    case '_snapshot':
      return `CAST(${quoteText(snapshot)} AS BIGINT)`
    default:
      return quoteText(task.change)
  }
}
