import type { SchemaChange, SourceTable, TableColumn, TableEvent } from '../../../core/changes.ts'
import type { Clock, Logger } from '../../../core/context.ts'
import { MillraceError, toMillraceError } from '../../../core/errors.ts'
import type { Router, RoutedTable } from '../../../core/routes.ts'
import { policyFor, type ChangeKind, type SchemaPolicies } from '../../../core/schema-policy.ts'
import type { FrontendSql } from './frontend-sql.ts'
import {
  addColumn,
  createTable,
  dropColumn,
  literal,
  modifyColumn,
  nameOf,
  quoted,
  renameColumn,
  truncateTable,
  type TableMaking,
  type TargetName,
} from './table-ddl.ts'
import { sameType, targetType } from './target-type.ts'

export interface TableKeeperOptions {
  readonly sql: FrontendSql
  readonly router: Router
  readonly making: TableMaking
  readonly createTables: boolean
  readonly policies: SchemaPolicies
  readonly clock: Clock
  readonly log: Logger
}

/** A column as the server describes it. */
interface TargetColumn {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly isKey: boolean
}

const JOB_POLL_MS = 200

const SYSTEM_DATABASES = new Set(['information_schema', 'mysql', 'sys', '_statistics_', '__internal_schema'])

/**
 * Makes the target tables and follows the changes of their sources. What to do is found by comparing the target with what
 * is wanted, never by replaying: a change that was made before a crash is found made.
 */
export class TableKeeper {
  readonly #options: TableKeeperOptions

  constructor(options: TableKeeperOptions) {
    this.#options = options
  }

  /** The target is there, has the key of the source and a column for each of its columns, as far as the policy lets it. */
  async open(table: SourceTable): Promise<void> {
    const { sql, router, making, createTables } = this.#options
    const target = router.targetOf(table)
    let columns = await this.#describe(target)
    if (columns === undefined && createTables) {
      await sql.run(`CREATE DATABASE IF NOT EXISTS ${quoted(target.database)}`)
      await sql.run(createTable(target, target.shape, making))
      columns = await this.#describe(target)
    }
    if (columns === undefined) {
      throw new MillraceError(
        `${nameOf(target)}, the target of ${table.id}, does not exist: create it, or set createTables`,
        { code: 'SCHEMA', detail: { table: table.id } },
      )
    }
    this.#checkKey(target, columns)
    // What was added while nobody was reading is an addition like any other.
    const missing = target.shape.columns.filter(({ name }) => columns.every((column) => column.name !== name))
    if (missing.length > 0)
      await this.#follow(target, { kind: 'add-columns', columns: missing.map(({ name }) => name) })
  }

  async apply(change: SchemaChange): Promise<'applied' | 'already'> {
    const target = this.#options.router.targetOf(change.table)
    let isApplied = false
    for (const event of change.events) {
      if (event.kind !== 'create' && (await this.#follow(target, event))) isApplied = true
    }
    return isApplied ? 'applied' : 'already'
  }

  /** All tables that rows may have gone to: those in the databases that routes lead to. */
  async targets(): Promise<TargetName[]> {
    const { sql, router } = this.#options
    const named = router.databases
    const databases = named ?? (await sql.run('SHOW DATABASES')).map((row) => Object.values(row)[0] ?? '')
    const found: TargetName[] = []
    for (const database of databases.filter((name) => !SYSTEM_DATABASES.has(name))) {
      const rows = await this.#unlessUnknown(`SHOW TABLES FROM ${quoted(database)}`)
      for (const row of rows ?? []) found.push({ database, table: Object.values(row)[0] ?? '' })
    }
    return found
  }

  /** True when the target is another one now. */
  async #follow(target: RoutedTable, event: TableEvent & { kind: ChangeKind }): Promise<boolean> {
    const policy = policyFor(this.#options.policies, event.kind)
    const { id } = target.shape
    if (policy === 'ignore') return false
    if (policy === 'fail' || event.kind === 'alter-key') {
      const why = policy === 'fail' ? 'schemaChange says fail' : 'a table cannot get another key'
      throw new MillraceError(
        `${id} changed (${event.kind}), and ${nameOf(target)} does not follow: ${why}. ` +
          'Change the target by hand, then start again with another schemaChange; after another key the table has to be read anew.',
        { code: 'SCHEMA', detail: { table: id, change: event.kind } },
      )
    }
    try {
      return await this.#make(target, event, policy === 'lenient')
    } catch (thrown) {
      const error = toMillraceError(thrown)
      if (error.code !== 'SCHEMA' || policy === 'evolve') throw error
      this.#options.log.warn(`${nameOf(target)} does not follow ${id} (${event.kind}): ${error.message}`)
      return false
    }
  }

  async #make(target: RoutedTable, event: TableEvent, isLenient: boolean): Promise<boolean> {
    const { sql, making } = this.#options
    switch (event.kind) {
      case 'add-columns':
        return this.#makeColumns(target, event.columns)
      case 'drop-columns':
        // Ours may be NULL: a column that gets no values any more needs nothing.
        if (isLenient) return false
        return this.#dropColumns(target, event.columns)
      case 'rename-column': {
        const columns = (await this.#describe(target)) ?? []
        const has = (name: string): boolean => columns.some((column) => column.name === name)
        if (has(event.to)) return false
        if (isLenient || !has(event.from)) return this.#makeColumns(target, [event.to])
        await sql.run(renameColumn(target, event.from, event.to, making.dialect))
        await this.#untilDone(target)
        return true
      }
      case 'alter-columns':
        return this.#alterColumns(target, event.columns)
      case 'truncate':
        if (isLenient) return false
        await sql.run(truncateTable(target))
        return true
      // What was mirrored stays: dropping it is a decision of people.
      case 'drop':
      case 'create':
      case 'alter-key':
        return false
    }
  }

  async #makeColumns(target: RoutedTable, names: readonly string[]): Promise<boolean> {
    const { sql, making } = this.#options
    const there = new Set((await this.#describe(target))?.map(({ name }) => name))
    const missing = columnsOf(target, names).filter(({ name }) => !there.has(name))
    for (const column of missing) {
      await sql.run(addColumn(target, column, making.dialect))
      await this.#untilDone(target)
    }
    return missing.length > 0
  }

  async #dropColumns(target: RoutedTable, names: readonly string[]): Promise<boolean> {
    const there = ((await this.#describe(target)) ?? []).filter(({ name }) => names.includes(name))
    for (const { name } of there) {
      await this.#options.sql.run(dropColumn(target, name))
      await this.#untilDone(target)
    }
    return there.length > 0
  }

  async #alterColumns(target: RoutedTable, names: readonly string[]): Promise<boolean> {
    const { sql, making } = this.#options
    const there = new Map((await this.#describe(target))?.map((column) => [column.name, column]))
    let isAltered = false
    for (const column of columnsOf(target, names)) {
      const is = there.get(column.name)
      const wanted = targetType(column, is?.isKey === true, making.dialect)
      if (is === undefined || sameType(is.type, wanted) || isNarrower(wanted, is.type)) continue
      await sql.run(modifyColumn(target, column, making.dialect))
      await this.#untilDone(target)
      isAltered = true
    }
    return isAltered
  }

  #checkKey(target: RoutedTable, columns: readonly TargetColumn[]): void {
    const is = columns.filter(({ isKey }) => isKey).map(({ name }) => name)
    const { key, id } = target.shape
    if (is.length === key.length && key.every((name) => is.includes(name))) return
    throw new MillraceError(
      `${nameOf(target)} has the key (${is.join(', ')}), and ${id} has (${key.join(', ')}): ` +
        'rows would replace others. Make a table with this key, or name the key in the route',
      { code: 'SCHEMA', detail: { table: id } },
    )
  }

  async #describe(target: TargetName): Promise<TargetColumn[] | undefined> {
    const rows = await this.#unlessUnknown(`DESC ${nameOf(target)}`)
    return rows?.map((row) => ({
      name: row['Field'] ?? '',
      type: row['Type'] ?? '',
      nullable: /^y/i.test(row['Null'] ?? ''),
      isKey: /^(true|yes|pri)/i.test(row['Key'] ?? ''),
    }))
  }

  /** Changes of a schema are jobs: loads may use the new shape when they are done. */
  async #untilDone(target: TargetName): Promise<void> {
    const { sql, clock } = this.#options
    const question =
      `SHOW ALTER TABLE COLUMN FROM ${quoted(target.database)} ` +
      `WHERE TableName = ${literal(target.table)} ORDER BY CreateTime DESC LIMIT 1`
    for (;;) {
      const [job] = await sql.run(question)
      const state = job?.['State']?.toUpperCase()
      if (state === undefined || state === null || state === 'FINISHED') return
      if (state === 'CANCELLED') {
        throw new MillraceError(`changing ${nameOf(target)}: the server cancelled the job: ${job?.['Msg'] ?? ''}`, {
          code: 'SCHEMA',
        })
      }
      await clock.sleep(JOB_POLL_MS)
    }
  }

  /** A database or table that does not exist is an answer. */
  async #unlessUnknown(statement: string): Promise<readonly Readonly<Record<string, string | null>>[] | undefined> {
    try {
      return await this.#options.sql.run(statement)
    } catch (error) {
      if (
        error instanceof MillraceError &&
        error.code === 'SCHEMA' &&
        /unknown|does ?n[o']t exist|not exist/i.test(error.message)
      )
        return undefined
      throw error
    }
  }
}

function columnsOf({ shape }: RoutedTable, names: readonly string[]): TableColumn[] {
  return shape.columns.filter(({ name }) => names.includes(name))
}

const INTEGERS = ['tinyint', 'smallint', 'int', 'bigint', 'largeint']

/** Every value of the wanted type fits into the one that is there. */
function isNarrower(wanted: string, is: string): boolean {
  const [left, right] = [wanted, is].map((type) => type.toLowerCase().replaceAll(/\s+/g, ''))
  const isInteger = INTEGERS.indexOf(left ?? '') <= INTEGERS.indexOf(right ?? '') && INTEGERS.includes(left ?? '')
  if (isInteger) return true
  const [from, to] = [left, right].map((type) => /^varchar\((\d+)\)$/.exec(type ?? '')?.[1]).map(Number)
  return from !== undefined && to !== undefined && from <= to
}
