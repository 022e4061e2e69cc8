import type { Logger } from '../../core/context.ts'
import type { Schema } from '../../core/schema.ts'
import {
  columnsOf,
  rowShape,
  type PgConnection,
  type PgTable,
  type Relation,
  type RowShape,
  type SourceColumn,
  type TypeCatalog,
} from '../../clients/postgres-replication/index.ts'
import { plannedColumns } from './known-shape.ts'

/** The table of a stream in the shape that its next rows have, as Relation messages tell it. */
export class FollowedTable {
  readonly table: PgTable
  readonly #catalog: TypeCatalog
  readonly #planned: Schema | undefined
  readonly #log: Logger
  #oid: number | undefined
  #shape: RowShape
  sourceColumns: readonly SourceColumn[]

  constructor(table: PgTable, catalog: TypeCatalog, planned: Schema | undefined, log: Logger) {
    this.table = table
    this.#catalog = catalog
    this.#planned = planned
    this.#log = log
    this.sourceColumns = table.columns
    this.#shape = rowShape({ columns: table.columns, key: table.key.map(({ name }) => name), hasQuotedJson: false })
  }

  get shape(): RowShape {
    return this.#shape
  }

  is(oid: number): boolean {
    return oid === this.#oid
  }

  /** Takes a new shape, or says what has to be waited for before it can. */
  take(relation: Relation, lookup: PgConnection): (() => Promise<void>) | undefined {
    const { schema, name } = this.table
    if (relation.schema !== schema || relation.name !== name) return undefined
    const { types } = this.#catalog
    const unknown = relation.columns.map(({ type }) => type).filter((type) => !types.has(type))
    if (unknown.length > 0) {
      return async () => {
        await this.#catalog.learn(lookup, unknown)
        // Types that were dropped since are read as text.
        for (const oid of unknown) if (!types.has(oid)) types.set(oid, { oid, name: 'text' })
      }
    }
    this.#oid = relation.oid
    this.sourceColumns = columnsOf(relation, types)
    const isPlanned = plannedColumns(`${schema}.${name}`, this.sourceColumns, this.#planned, this.#log)
    const key = this.table.key.map((column) => column.name)
    this.#shape = rowShape({ columns: this.sourceColumns, key, hasQuotedJson: false, isPlanned })
    return undefined
  }
}
