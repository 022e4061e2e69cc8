import { compareTables, type SourceTable, type TableEvent, type TableId } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import {
  layoutOf,
  mappedNames,
  parseTableMap,
  RowLines,
  tableIdOf,
  type Charsets,
} from '../../clients/mysql-replication/index.ts'
import type { MysqlCdcOptions } from './options.ts'
import { shapeDigest, shapeOfMap } from './table-shape.ts'

/** A table in the shape that the log has now. */
export interface LogTable {
  readonly shape: SourceTable
  readonly digest: string
  readonly lines: RowLines
}

/** What a table map says of a table that is read. `change`: its shape is not the one that was known before. */
export interface Mapped {
  readonly table: LogTable
  readonly change: readonly TableEvent[]
}

export interface LogTablesOptions {
  readonly options: MysqlCdcOptions
  /** Whether a table is read in the transaction that is there now. */
  readonly isRead: (database: string, name: string) => boolean
  readonly charsets: Charsets
  readonly separator: number
  /** Tables that are there now. */
  readonly found: readonly SourceTable[]
  /** The shapes at the place where reading begins. */
  readonly shapes: Readonly<Record<TableId, string>>
}

/** The tables of the log: by the numbers that stand for them in this stream, and by name. */
export class LogTables {
  readonly #settings: LogTablesOptions
  readonly #without: ReadonlySet<string>
  readonly #byNumber = new Map<number, LogTable | undefined>()
  readonly #byName = new Map<TableId, LogTable>()
  #shapes: Readonly<Record<TableId, string>>
  #renames: readonly { readonly table: string; readonly from: string; readonly to: string }[] = []

  constructor(settings: LogTablesOptions) {
    this.#settings = settings
    this.#without = new Set(settings.options.without)
    this.#shapes = settings.shapes
  }

  /** Shapes of all tables that were met, for positions. The same object until one of them changes. */
  get shapes(): Readonly<Record<TableId, string>> {
    return this.#shapes
  }

  wants(database: string, name: string): boolean {
    return this.#settings.isRead(database, name)
  }

  /** The table that rows name by its number; undefined: it is not read. */
  byNumber(id: number): LogTable | undefined {
    return this.#byNumber.get(id)
  }

  /** The shape of a table by its name, as well as it is known. */
  shapeOf(id: TableId, database: string, name: string): SourceTable {
    const found = this.#byName.get(id)?.shape ?? this.#settings.found.find((shape) => shape.id === id)
    return found ?? { id, database, name, columns: [], key: [] }
  }

  /** A statement renames a column: the shapes alone would show one that went and one that came. */
  noteRename(table: string, from: string, to: string): void {
    this.#renames = [...this.#renames, { table, from, to }]
  }

  forget(id: TableId): void {
    const { [id]: _gone, ...rest } = this.#shapes
    this.#shapes = rest
    this.#byName.delete(id)
  }

  /** Other tables are read from here on: which ones the numbers stand for is asked again. */
  forgetNumbers(): void {
    this.#byNumber.clear()
  }

  /** Takes a table map in; undefined when the table is not read. */
  map(body: Buffer, writtenBy: string): Mapped | undefined {
    const number = tableIdOf(body)
    const { database, table: name } = mappedNames(body)
    if (!this.wants(database, name)) {
      this.#byNumber.set(number, undefined)
      return undefined
    }
    const known = this.#byNumber.get(number)
    // The number of a table changes with its shape, so that a known one needs no second look.
    if (known !== undefined && known.shape.name === name && known.shape.database === database) {
      return { table: known, change: [] }
    }
    const map = parseTableMap(body, writtenBy)
    const { charsets, separator, options } = this.#settings
    const shape = shapeOfMap(map, charsets, this.#without)
    const layout = layoutOf(map, { charsets, without: this.#without })
    const lines = new RowLines(layout, { separator, zeroDates: options.zeroDates, table: `${database}.${name}` })
    const table: LogTable = { shape, digest: shapeDigest(shape), lines }
    const change = this.#change(table)
    this.#byNumber.set(number, table)
    this.#byName.set(shape.id, table)
    return { table, change }
  }

  /** The shape is known from here on. */
  settle({ shape, digest }: LogTable): void {
    if (this.#shapes[shape.id] === digest) return
    this.#shapes = { ...this.#shapes, [shape.id]: digest }
    this.#renames = this.#renames.filter(({ table }) => table !== shape.id)
  }

  #change(table: LogTable): TableEvent[] {
    const { shape, digest } = table
    const recorded = this.#shapes[shape.id]
    if (recorded === digest) return []
    if (recorded === undefined) return [{ kind: 'create' }]
    const before = this.#byName.get(shape.id)?.shape
    // After a start the shape before is known by its digest alone: sinks compare with what they have.
    if (before === undefined) return [{ kind: 'add-columns', columns: namesBeyond(shape, shape.key) }]
    return this.#withRenames(shape.id, compareTables(before, shape))
  }

  #withRenames(id: TableId, events: readonly TableEvent[]): TableEvent[] {
    const renames = this.#renames.filter(({ table }) => table === id)
    if (renames.length === 0) return [...events]
    const from = new Set(renames.map((rename) => rename.from))
    const to = new Set(renames.map((rename) => rename.to))
    const rest = events.flatMap((event): TableEvent[] => {
      if (event.kind === 'drop-columns') return withColumns(event, from)
      if (event.kind === 'add-columns') return withColumns(event, to)
      return [event]
    })
    return [
      ...renames.map((rename): TableEvent => ({ kind: 'rename-column', from: rename.from, to: rename.to })),
      ...rest,
    ]
  }
}

function withColumns(
  event: { readonly kind: 'drop-columns' | 'add-columns'; readonly columns: readonly string[] },
  without: ReadonlySet<string>,
): TableEvent[] {
  const columns = event.columns.filter((name) => !without.has(name))
  return columns.length === 0 ? [] : [{ kind: event.kind, columns }]
}

function namesBeyond({ columns }: SourceTable, key: readonly string[]): string[] {
  return columns.map(({ name }) => name).filter((name) => !key.includes(name))
}

/** For one table alone: rows may only change in ways that the schema of the pipeline allows. */
export function assertFollowed({ shape }: LogTable, planned: readonly { name: string; type: string }[]): void {
  const is = new Map(shape.columns.map(({ name, type }) => [name, type === 'json' ? 'varchar' : type]))
  const wrong = [
    ...planned.filter(({ name }) => !is.has(name)).map(({ name }) => `${name} is gone`),
    ...planned
      .filter(({ name, type }) => is.has(name) && is.get(name) !== type)
      .map(({ name }) => `${name} has another type`),
    ...[...is.keys()].filter((name) => planned.every((column) => column.name !== name)).map((name) => `${name} is new`),
  ]
  if (wrong.length === 0) return
  throw new MillraceError(
    `reading changes of ${shape.database}.${shape.name}: its columns have changed (${wrong.join(', ')}). Change the sink’s ` +
      'table in the same way and start again: the columns are looked up at every start, and no change is lost',
    { code: 'SCHEMA', detail: { table: shape.id, changes: wrong } },
  )
}
