import type { SchemaChange, SourceTable, TableColumn, TableEvent } from './changes.ts'
import type { Logger } from './context.ts'
import { MillraceError, toMillraceError } from './errors.ts'
import type { RoutedTable, Router } from './routes.ts'
import { policyFor, type ChangeKind, type SchemaPolicies } from './schema-policy.ts'

/** What is known of a target that is there. */
export interface FollowedTarget {
  readonly columns: ReadonlySet<string>
  /** Columns of its key. */
  readonly key: readonly string[]
}

/** Looks at the tables of a server and changes them. What the server refuses is an error with the code SCHEMA. */
export interface TargetTables {
  /** As messages name it. */
  nameOf(target: RoutedTable): string
  /** Undefined: it is not there. */
  describe(target: RoutedTable): Promise<FollowedTarget | undefined>
  create(target: RoutedTable): Promise<void>
  addColumn(target: RoutedTable, column: TableColumn): Promise<void>
  dropColumn(target: RoutedTable, name: string): Promise<void>
  renameColumn(target: RoutedTable, from: string, to: string): Promise<void>
  /** Makes the type of a column that is there hold the source's values; false: it does so already. */
  alterColumn(target: RoutedTable, column: TableColumn): Promise<boolean>
  truncate(target: RoutedTable): Promise<void>
}

export interface TableFollowerOptions {
  readonly tables: TargetTables
  readonly router: Router
  /** Makes tables that are missing. */
  readonly createTables: boolean
  readonly policies: SchemaPolicies
  readonly log: Logger
}

/**
 * Makes the target tables and follows the changes of their sources. What to do is found by comparing the target with what
 * is wanted, never by replaying: a change that was made before a crash is found made.
 */
export class TableFollower {
  readonly #options: TableFollowerOptions

  constructor(options: TableFollowerOptions) {
    this.#options = options
  }

  /** The target is there, has the key of the source and a column for each of its columns, as far as the policy lets it. */
  async open(table: SourceTable): Promise<void> {
    const { tables, router, createTables } = this.#options
    const target = router.targetOf(table)
    let found = await tables.describe(target)
    if (found === undefined && createTables) {
      await tables.create(target)
      found = await tables.describe(target)
    }
    if (found === undefined) {
      throw new MillraceError(
        `${tables.nameOf(target)}, the target of ${table.id}, does not exist: create it, or set createTables`,
        { code: 'SCHEMA', detail: { table: table.id } },
      )
    }
    this.#checkKey(target, found)
    // What was added while nobody was reading is an addition like any other.
    const missing = target.shape.columns.map(({ name }) => name).filter((name) => !found.columns.has(name))
    if (missing.length > 0) await this.#follow(target, { kind: 'add-columns', columns: missing })
  }

  async apply(change: SchemaChange): Promise<'applied' | 'already'> {
    const target = this.#options.router.targetOf(change.table)
    let isApplied = false
    for (const event of change.events) {
      if (event.kind !== 'create' && (await this.#follow(target, event))) isApplied = true
    }
    return isApplied ? 'applied' : 'already'
  }

  /** True when the target is another one now. */
  async #follow(target: RoutedTable, event: TableEvent & { kind: ChangeKind }): Promise<boolean> {
    const { policies, tables, log } = this.#options
    const policy = policyFor(policies, event.kind)
    const { id } = target.shape
    const name = tables.nameOf(target)
    if (policy === 'ignore') return false
    if (policy === 'fail' || event.kind === 'alter-key') {
      const why = policy === 'fail' ? 'schemaChange says fail' : 'a table cannot get another key'
      throw new MillraceError(
        `${id} changed (${event.kind}), and ${name} does not follow: ${why}. ` +
          'Change the target by hand, then start again with another schemaChange; after another key the table has to be read anew.',
        { code: 'SCHEMA', detail: { table: id, change: event.kind } },
      )
    }
    try {
      return await this.#make(target, event, policy === 'lenient')
    } catch (thrown) {
      const error = toMillraceError(thrown)
      if (error.code !== 'SCHEMA' || policy === 'evolve') throw error
      log.warn(`${name} does not follow ${id} (${event.kind}): ${error.message}`)
      return false
    }
  }

  async #make(target: RoutedTable, event: TableEvent, isLenient: boolean): Promise<boolean> {
    const { tables } = this.#options
    switch (event.kind) {
      case 'add-columns':
        return this.#addColumns(target, event.columns)
      case 'drop-columns':
        // Ours may be NULL: a column that gets no values any more needs nothing.
        if (isLenient) return false
        return this.#dropColumns(target, event.columns)
      case 'rename-column': {
        const columns = await this.#columns(target)
        if (columns.has(event.to)) return false
        if (isLenient || !columns.has(event.from)) return this.#addColumns(target, [event.to])
        await tables.renameColumn(target, event.from, event.to)
        return true
      }
      case 'alter-columns':
        return this.#alterColumns(target, event.columns)
      case 'truncate':
        if (isLenient) return false
        await tables.truncate(target)
        return true
      // What was mirrored stays: dropping it is a decision of people.
      case 'drop':
      case 'create':
      case 'alter-key':
        return false
    }
  }

  async #addColumns(target: RoutedTable, names: readonly string[]): Promise<boolean> {
    const there = await this.#columns(target)
    const missing = wanted(target, names).filter(({ name }) => !there.has(name))
    for (const column of missing) await this.#options.tables.addColumn(target, column)
    return missing.length > 0
  }

  async #dropColumns(target: RoutedTable, names: readonly string[]): Promise<boolean> {
    const there = await this.#columns(target)
    const gone = names.filter((name) => there.has(name))
    for (const name of gone) await this.#options.tables.dropColumn(target, name)
    return gone.length > 0
  }

  async #alterColumns(target: RoutedTable, names: readonly string[]): Promise<boolean> {
    const there = await this.#columns(target)
    let isAltered = false
    for (const column of wanted(target, names)) {
      if (there.has(column.name) && (await this.#options.tables.alterColumn(target, column))) isAltered = true
    }
    return isAltered
  }

  #checkKey(target: RoutedTable, { key: is }: FollowedTarget): void {
    const { key, id } = target.shape
    if (is.length === key.length && key.every((name) => is.includes(name))) return
    throw new MillraceError(
      `${this.#options.tables.nameOf(target)} has the key (${is.join(', ')}), and ${id} has (${key.join(', ')}): ` +
        'rows would replace others. Make a table with this key, or name the key in the route',
      { code: 'SCHEMA', detail: { table: id } },
    )
  }

  async #columns(target: RoutedTable): Promise<ReadonlySet<string>> {
    return (await this.#options.tables.describe(target))?.columns ?? new Set()
  }
}

function wanted({ shape }: RoutedTable, names: readonly string[]): TableColumn[] {
  return shape.columns.filter(({ name }) => names.includes(name))
}
