import type { SchemaChange, SourceTable } from '../../../core/changes.ts'
import type { Clock, Logger } from '../../../core/context.ts'
import { MillraceError } from '../../../core/errors.ts'
import type { Router } from '../../../core/routes.ts'
import type { SchemaPolicies } from '../../../core/schema-policy.ts'
import { TableFollower, type TargetTables } from '../../../core/table-follower.ts'
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

/** Makes the tables of StarRocks or Doris and changes them, and finds those that rows may have gone to. */
export class TableKeeper {
  readonly #options: TableKeeperOptions
  readonly #follower: TableFollower

  constructor(options: TableKeeperOptions) {
    this.#options = options
    this.#follower = new TableFollower({ ...options, tables: this.#tables() })
  }

  open(table: SourceTable): Promise<void> {
    return this.#follower.open(table)
  }

  apply(change: SchemaChange): Promise<'applied' | 'already'> {
    return this.#follower.apply(change)
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

  #tables(): TargetTables {
    const { sql, making } = this.#options
    const change = async (target: TargetName, statement: string): Promise<void> => {
      await sql.run(statement)
      await this.#untilDone(target)
    }
    return {
      nameOf,
      describe: async (target) => {
        const columns = await this.#describe(target)
        if (columns === undefined) return undefined
        const key = columns.filter(({ isKey }) => isKey).map(({ name }) => name)
        return { columns: new Set(columns.map(({ name }) => name)), key }
      },
      create: async (target) => {
        await sql.run(`CREATE DATABASE IF NOT EXISTS ${quoted(target.database)}`)
        await sql.run(createTable(target, target.shape, making))
      },
      addColumn: (target, column) => change(target, addColumn(target, column, making.dialect)),
      dropColumn: (target, name) => change(target, dropColumn(target, name)),
      renameColumn: (target, from, to) => change(target, renameColumn(target, from, to, making.dialect)),
      alterColumn: async (target, column) => {
        const is = (await this.#describe(target))?.find(({ name }) => name === column.name)
        const wanted = targetType(column, is?.isKey === true, making.dialect)
        if (is === undefined || sameType(is.type, wanted) || isNarrower(wanted, is.type)) return false
        await change(target, modifyColumn(target, column, making.dialect))
        return true
      },
      truncate: async (target) => {
        await sql.run(truncateTable(target))
      },
    }
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

const INTEGERS = ['tinyint', 'smallint', 'int', 'bigint', 'largeint']

/** Every value of the wanted type fits into the one that is there. */
function isNarrower(wanted: string, is: string): boolean {
  const [left, right] = [wanted, is].map((type) => type.toLowerCase().replaceAll(/\s+/g, ''))
  const isInteger = INTEGERS.indexOf(left ?? '') <= INTEGERS.indexOf(right ?? '') && INTEGERS.includes(left ?? '')
  if (isInteger) return true
  const [from, to] = [left, right].map((type) => /^varchar\((\d+)\)$/.exec(type ?? '')?.[1]).map(Number)
  return from !== undefined && to !== undefined && from <= to
}
