import type { Finding } from '../../core/checkpoint-types.ts'
import type { Column } from '../../core/schema.ts'
import type { Page } from './page.ts'
import type { SqlSession } from './session.ts'
import type { TargetColumn, TargetTable } from './target.ts'

/** Rows of a page go here. */
export interface PageTarget {
  /** Quoted, with its database or schema. */
  readonly table: string
  /** Names of the columns that a row text has, in its order. */
  readonly fields: readonly string[]
  /** Columns to set, a part of `fields`. */
  readonly columns: readonly string[]
  readonly key: readonly string[]
  /** A row is replaced only when this column's value is not less than what is there. */
  readonly version: string | undefined
  /** Rows lack columns of the table: they change rows that are there. */
  readonly isPartial: boolean
  /** Rows whose key is there: `update` them, or `keep` them, because they can only be the same ones. */
  readonly whenThere: 'update' | 'keep'
}

/** The row of the control table that a page's transaction locks. */
export interface PageFence {
  /** A SELECT that locks it and gives its epoch. */
  readonly sql: string
  readonly epoch: number
  /** Throws unless the epoch that was found is this one. */
  check(found: number): void
}

export interface StagePlace {
  readonly epoch: number
  readonly checkpoint: number
}

/** Staged rows into the target. */
export interface ApplyStage extends StagePlace {
  readonly stage: string
  readonly table: string
  readonly columns: readonly string[]
  readonly key: readonly string[]
  readonly version: string | undefined
  /** Only this share of the rows, where they are applied in pieces. */
  readonly chunk: number | undefined
}

/** A column of a table that is made. */
export interface NewColumn extends Column {
  /** Characters of a text, as far as they are limited. */
  readonly length?: number
}

/** What differs between servers. Everything else is standard SQL. */
export interface SqlDialect {
  quote(name: string): string
  text(value: string): string
  /** The schema (of Postgres) or database, that of the address unless it is named, and the table. */
  qualified(table: string, database?: string): string
  /** The schema or database of the address. */
  readonly database: string

  /** A new connection whose transactions begin with `beginSql` and end with COMMIT or ROLLBACK. */
  open(): Promise<SqlSession>
  /** Empty where a statement begins a transaction by itself. */
  readonly beginSql: string
  /** Runs a statement as a transaction of its own, which the server ends even when we stand still. */
  alone(session: SqlSession, sql: string, doing: string): Promise<void>
  /** Ends the transaction for good: anything but a success is an error. */
  commit(session: SqlSession): Promise<void>
  /** The server's name of this connection, and a statement that ends such a one of an earlier instance. */
  readonly sessionIdSql: string
  killSql(sessionId: string): string
  /** Changes how long this connection waits for a lock. */
  lockWaitSql(seconds: number): string

  describe(session: SqlSession, table: string, database?: string): Promise<TargetTable | undefined>
  /** Names of tables that begin with `prefix`. */
  tables(session: SqlSession, prefix: string): Promise<readonly string[]>
  /** The server's limits and settings against what the pages need. Reads only. */
  checkServer(session: SqlSession, needs: { readonly pageBytes: number }): Promise<readonly Finding[]>
  /** Definition of a new target table, whose name is quoted, for rows with these columns. */
  createTarget(table: string, columns: readonly NewColumn[], key: readonly string[]): string
  /** A type that holds the values of a column; texts where there is none. */
  typeOf(column: NewColumn, isKey: boolean): string
  /** What changes the type of a column, behind `ALTER TABLE …`. */
  alterTypeSql(column: string, type: string): string
  /** Makes a database or schema, unless it is there. */
  createDatabaseSql(database: string): string
  /** Types of our own tables: whole numbers of 32 and 64 bits, and names compared byte by byte. */
  readonly types: { readonly int: string; readonly bigint: string; readonly name: string; readonly small: string }
  /** What a column of the target becomes in a staging table: the same values. */
  stageColumn(column: TargetColumn, isNullable: boolean): string
  /** The end of an INSERT that does nothing where the row is there. `column` is any column of the table. */
  ignoreDuplicate(column: string): string

  /** The end of an INSERT that changes the row which is there instead. */
  orUpdate(key: readonly string[], assignment: string): string

  /** Writes a page as a transaction of its own, which ends without a trace when another epoch has the slot. */
  writePage(session: SqlSession, target: PageTarget, page: Page, fence: PageFence): Promise<void>
  /** Statements that apply staged rows: deletes first, then rows. */
  applyStage(apply: ApplyStage): readonly string[]
}

/** Columns in front of the data in a staging table. */
export const STAGE_COLUMNS = ['__epoch', '__checkpoint', '__lane', '__seq', '__op', '__chunk'] as const

/** Staged rows are shared out over so many pieces by their key. */
export const CHUNKS = 64
