import type { PostgresConnection } from './connection.ts'
import type { TakeRow } from './copy-out.ts'

type Cells = readonly (string | null)[]

/** A connection that only reads: small answers as texts, large ones by COPY, row by row. */
export class PostgresRows implements AsyncDisposable {
  readonly #connection: PostgresConnection

  private constructor(connection: PostgresConnection) {
    this.#connection = connection
  }

  /** Takes the connection over. Nothing can be written through it, whatever is asked. */
  static async open(connection: PostgresConnection): Promise<PostgresRows> {
    await connection.query(
      'SET default_transaction_read_only = on; SET statement_timeout = 0; SET extra_float_digits = 3',
    )
    return new PostgresRows(connection)
  }

  get isUsable(): boolean {
    return this.#connection.isUsable
  }

  async rows(sql: string): Promise<readonly Cells[]> {
    return (await this.#connection.query(sql)).rows
  }

  async table(sql: string): Promise<{ readonly columns: readonly string[]; readonly rows: readonly Cells[] }> {
    return await this.#connection.query(sql)
  }

  async stream(sql: string, take: TakeRow, signal: AbortSignal): Promise<void> {
    await this.#connection.copyOut(sql, 'reading rows', take, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close()
  }
}
