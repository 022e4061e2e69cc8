import type { Cut } from './cut.ts'
import type { RowEncoder, RowLayout } from './row-encoder.ts'
import type { KeyColumn, TableShape } from './table-shape.ts'

export type TextRow = readonly (string | null)[]

/** One connection, set up so that values come as exact text: UTC, UTF-8, read-only. One statement at a time. */
export interface SliceSession extends AsyncDisposable {
  /** The rows of a statement that gives few. */
  rows(sql: string): Promise<readonly TextRow[]>

  /** The same, with the names of the columns. */
  table(sql: string): Promise<{ readonly columns: readonly string[]; readonly rows: readonly TextRow[] }>

  /**
   * Hands every row of a statement to `take`, as the server sent it: in `bytes[start…end)`, until it returns. Where it
   * returns a promise, the server is made to wait until that is fulfilled; some rows come all the same. An abort closes
   * the connection.
   */
  stream(sql: string, take: TakeRow, signal: AbortSignal): Promise<void>

  /** False after an error of the connection, and after an abort. */
  readonly isUsable: boolean
}

export type TakeRow = (bytes: Buffer, start: number, end: number) => Promise<void> | undefined

/** What is asked of a table. */
export interface TableAsk {
  readonly table: string
  readonly column: readonly string[]
  /** Absent: all. */
  readonly columns: readonly string[] | undefined
}

/** What a server of one kind understands. */
export interface SliceDialect {
  /** For messages, such as `Postgres`. */
  readonly label: string
  connect(): Promise<SliceSession>
  encoder(layout: RowLayout): RowEncoder
  /** @throws MillraceError `CONFIG` when the table or a column does not exist, or cannot be sliced by. */
  shape(session: SliceSession, ask: TableAsk): Promise<TableShape>
  /** What is wrong with the server or the rights for telling which transactions are open; `undefined`: nothing. */
  horizonProblem(session: SliceSession): Promise<string | undefined>
  quote(name: string): string
  /** A table as users write it, `schema.table` or `table`. `asOf`: as it was then. */
  tableSql(table: string, asOf?: string): string
  /** A column of the key as the text that `literal` takes. */
  keyText(column: KeyColumn): string
  /** A text of the server as a constant of the column's type. */
  literal(column: KeyColumn, value: string): string
  /** Any text as a constant. */
  text(value: string): string
  /** `(a, b) > (1, 2)` in the words that the server has an index for. */
  comparison(columns: readonly KeyColumn[], operator: '<' | '<=' | '>' | '>=', values: readonly string[]): string
  /** The statement that `stream` is given for a query. */
  streamed(query: string): string
  /**
   * The server's clock in the words of the column, `lagMs` ago, cut off to its precision. `zone`: that of the clock which
   * fills a column without one; `undefined`: the server's.
   */
  clockSql(column: KeyColumn, lagMs: number, zone: string | undefined): string
  /** The end of what is finished by itself, where transactions number their rows. */
  transactionSql(): string
  /**
   * Everything that writes into the table now, or may have begun to: returns when all of it has ended.
   *
   * @throws when the signal is given.
   */
  settle(session: SliceSession, ask: SettleAsk): Promise<void>
  /** A moment that `asOf` understands; `undefined`: the server keeps no past. */
  present(session: SliceSession): Promise<string | undefined>
  /** Throws POSITION_LOST when the server has forgotten that moment. */
  verifyPresent(session: SliceSession, table: string, asOf: string): Promise<void>
}

export interface SettleAsk {
  readonly shape: TableShape
  /** Values may have been taken before the writing statement began: then every open transaction is waited for. */
  readonly isAnyTransaction: boolean
  readonly signal: AbortSignal
  sleep(ms: number): Promise<void>
  /** Says, from time to time, what is waited for. */
  waiting(what: string): void
}

/** Rows between two cuts, in SQL; `undefined`: all. */
export function between(
  dialect: SliceDialect,
  key: readonly KeyColumn[],
  from: Cut | undefined,
  to: Cut | undefined,
): string[] {
  const conditions: string[] = []
  const add = (cut: Cut, operator: '<' | '<=' | '>' | '>='): void => {
    conditions.push(dialect.comparison(key.slice(0, cut.key.length), operator, cut.key))
  }
  if (from !== undefined) add(from, from.side === 'after' ? '>' : '>=')
  if (to !== undefined) add(to, to.side === 'after' ? '<=' : '<')
  return conditions
}
