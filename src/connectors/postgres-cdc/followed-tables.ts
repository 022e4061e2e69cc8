import { compareTables, type SchemaChange, type SourceTable } from '../../core/changes.ts'
import type { Logger } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import {
  readTables,
  type PgConnection,
  type PgTable,
  type Relation,
  type SourceColumn,
  type TypeCatalog,
} from '../../clients/postgres-replication/index.ts'
import { FollowedTable, sourceTableOf } from './followed-table.ts'
import { plannedColumns } from './known-shape.ts'
import type { ChangeColumn } from './options.ts'
import { tableKey, type WalTable } from './split.ts'
import type { WalPlace } from './wal-position.ts'

type ShapeChange = Pick<SchemaChange, 'table' | 'events'>

export interface FollowOptions {
  readonly catalog: TypeCatalog
  readonly log: Logger
  /** What the pipeline was planned with, where it reads one table. */
  readonly schema: Schema | undefined
  /** Rows of several tables: batches name theirs, and changes of shape are told. */
  readonly isSeveral: boolean
  readonly changeColumns: readonly ChangeColumn[]
  readonly truncate: 'fail' | 'ignore'
  /** How sinks know each table, by its key: what was told before reading went on elsewhere counts. */
  readonly told: Map<string, SourceTable>
}

/** The tables whose changes are read from the log. */
export class FollowedTables {
  readonly #options: FollowOptions
  readonly #byKey = new Map<string, FollowedTable>()
  readonly #byOid = new Map<number, FollowedTable>()
  readonly #told: Map<string, SourceTable>
  readonly #read: ReadonlyMap<string, WalTable>
  /** The relation of each table that was compared with the catalog last. */
  readonly #compared = new Map<string, string>()

  constructor(tables: readonly PgTable[], read: readonly WalTable[], options: FollowOptions) {
    this.#options = options
    this.#told = options.told
    this.#read = new Map(read.map((one) => [tableKey(one), one]))
    const byKey = new Map(tables.map((table) => [tableKey(table), table]))
    for (const one of read) {
      const table = byKey.get(tableKey(one))
      if (table !== undefined) this.#add(table, one)
    }
  }

  ofOid(oid: number): FollowedTable | undefined {
    return this.#byOid.get(oid)
  }

  /** Its changes were given out up to there by an earlier start. */
  wentAhead(key: string, place: WalPlace): void {
    const followed = this.#byKey.get(key)
    if (followed !== undefined) followed.ahead = place
  }

  /** What a batch says about its table. */
  named(followed: FollowedTable): { readonly table?: SourceTable } {
    const table = this.#told.get(followed.key)
    return this.#options.isSeveral && table !== undefined ? { table } : {}
  }

  /**
   * Takes the shape of a table's next rows, or says what has to be looked up before it can: types, and what sinks have to
   * follow. A shape that the table does not have any more is fitted into the one that it has.
   */
  take(relation: Relation, lookup: PgConnection): 'taken' | (() => Promise<ShapeChange | undefined>) {
    const { catalog, isSeveral } = this.#options
    const followed = this.#byKey.get(tableKey(relation))
    // Others have to join first: their earlier rows come before their changes.
    if (!this.#read.has(tableKey(relation))) return 'taken'
    const unknown = relation.columns.map(({ type }) => type).filter((type) => !catalog.types.has(type))
    if (unknown.length > 0) return () => this.#learn(unknown, lookup)
    const fingerprint = JSON.stringify(relation)
    if (isSeveral && this.#compared.get(tableKey(relation)) !== fingerprint) {
      return async () => {
        this.#compared.set(tableKey(relation), fingerprint)
        return await this.#compare(relation, lookup)
      }
    }
    if (followed === undefined) return 'taken'
    this.#byOid.set(relation.oid, followed)
    followed.take(relation, catalog, (columns) => this.#planned(followed, columns))
    return 'taken'
  }

  /** What a TRUNCATE is to sinks; undefined where it is passed over. */
  truncated(followed: FollowedTable, xid: number): ShapeChange | undefined {
    const table = this.#told.get(followed.key)
    if (this.#options.isSeveral && table !== undefined) return { table, events: [{ kind: 'truncate' }] }
    if (this.#options.truncate === 'ignore') return undefined
    const { schema, name } = followed.table
    throw new MillraceError(
      `table ${schema}.${name} was truncated in transaction ${xid}: nothing can follow that. Empty the target as well ` +
        'and start with truncate: ignore, or begin anew under another `name`',
      { code: 'SCHEMA', retry: 'halt' },
    )
  }

  #add(table: PgTable, read: Pick<WalTable, 'chunks' | 'high'>): FollowedTable {
    const followed = new FollowedTable(table, read, this.#options.isSeveral)
    this.#byKey.set(followed.key, followed)
    if (!this.#told.has(followed.key)) this.#told.set(followed.key, sourceTableOf(table, this.#options.changeColumns))
    return followed
  }

  #planned(followed: FollowedTable, columns: readonly SourceColumn[]): readonly boolean[] {
    const { isSeveral, schema, log } = this.#options
    const { table } = followed
    if (!isSeveral) return plannedColumns(`${table.schema}.${table.name}`, columns, schema, log)
    const names = new Set(table.columns.map(({ name }) => name))
    return columns.map(({ name }) => names.has(name))
  }

  async #learn(oids: readonly number[], lookup: PgConnection): Promise<undefined> {
    const { catalog } = this.#options
    await catalog.learn(lookup, oids)
    // Types that were dropped since are read as text.
    for (const oid of oids) if (!catalog.types.has(oid)) catalog.types.set(oid, { oid, name: 'text' })
  }

  /** Looks at the table as it is now. */
  async #compare(relation: Relation, lookup: PgConnection): Promise<ShapeChange | undefined> {
    const { catalog, changeColumns } = this.#options
    const key = tableKey(relation)
    const [now] = await readTables(
      lookup,
      catalog,
      (schema, name) => schema === relation.schema && name === relation.name,
    )
    // Dropped since: its last rows have the shape that it had.
    if (now === undefined) return undefined
    const before = this.#told.get(key)
    const table = sourceTableOf(now, changeColumns)
    const events = compareTables(before, table)
    const followed = this.#byKey.get(key)
    // It was not there when we looked, and was made again since.
    if (followed === undefined) this.#add(now, this.#read.get(key) ?? { chunks: [], high: 0n })
    followed?.renew(now)
    this.#told.set(key, table)
    return events.length === 0 ? undefined : { table, events }
  }
}
