import { tableId, type SourceTable } from '../../core/changes.ts'
import {
  columnsOf,
  rowShape,
  type LineTarget,
  type PgTable,
  type Relation,
  type RowShape,
  type SourceColumn,
  type TypeCatalog,
} from '../../clients/postgres-replication/index.ts'
import { AlreadyRead } from './already-read.ts'
import { keyOrder } from './key-order.ts'
import type { ChangeColumn } from './options.ts'
import { tableKey, type WalTable } from './split.ts'
import type { WalPlace } from './wal-position.ts'

/** A table of the log in the shape that its next rows have, as Relation messages tell it. */
export class FollowedTable {
  readonly key: string
  /** As the catalog had it when we looked last. */
  #table: PgTable
  #alreadyRead: AlreadyRead
  readonly #read: Pick<WalTable, 'chunks' | 'high'>
  #oid: number | undefined
  #shape: RowShape
  #columns: readonly SourceColumn[]
  readonly #hasQuotedJson: boolean
  /** Rows that were not handed on yet. */
  target: LineTarget | undefined
  /** Its changes were given out up to here. */
  ahead: WalPlace | undefined

  constructor(table: PgTable, read: Pick<WalTable, 'chunks' | 'high'>, hasQuotedJson: boolean) {
    this.key = tableKey(table)
    this.#table = table
    this.#read = read
    this.#alreadyRead = new AlreadyRead(read, keyOrder(table.key))
    this.#columns = table.columns
    this.#hasQuotedJson = hasQuotedJson
    this.#shape = this.#shapeOf(table.columns)
  }

  get table(): PgTable {
    return this.#table
  }

  get alreadyRead(): AlreadyRead {
    return this.#alreadyRead
  }

  get shape(): RowShape {
    return this.#shape
  }

  get columns(): readonly SourceColumn[] {
    return this.#columns
  }

  is(oid: number): boolean {
    return oid === this.#oid
  }

  /** What the catalog says now. */
  renew(table: PgTable): void {
    this.#table = table
    this.#alreadyRead = new AlreadyRead(this.#read, keyOrder(table.key))
  }

  /** The next rows have these columns; those that are not planned are left out of ours. */
  take(
    relation: Relation,
    catalog: TypeCatalog,
    isPlanned: (columns: readonly SourceColumn[]) => readonly boolean[],
  ): void {
    this.#oid = relation.oid
    this.#columns = columnsOf(relation, catalog.types)
    this.#shape = this.#shapeOf(this.#columns, isPlanned(this.#columns))
  }

  #shapeOf(columns: readonly SourceColumn[], isPlanned?: readonly boolean[]): RowShape {
    const key = this.#table.key.map(({ name }) => name)
    return rowShape({
      columns,
      key,
      hasQuotedJson: this.#hasQuotedJson,
      ...(isPlanned === undefined ? {} : { isPlanned }),
    })
  }
}

/** A table as sinks of several tables are told of it. */
export function sourceTableOf(table: PgTable, changeColumns: readonly ChangeColumn[]): SourceTable {
  const key = table.key.map(({ name }) => name)
  const { columns } = rowShape({ columns: table.columns, key, hasQuotedJson: true })
  return {
    id: tableId(table.schema, table.name),
    database: table.schema,
    name: table.name,
    columns: [
      // A delete has only the key.
      ...columns.map(({ column }) => ({ ...column, nullable: column.nullable && !key.includes(column.name) })),
      ...changeColumns.map((name) => ({
        name,
        type: name === '_timestamp' ? 'timestamp' : 'varchar',
        nullable: true,
      })),
    ],
    key,
  }
}
