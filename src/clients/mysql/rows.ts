import type { MysqlCell, MysqlConnection } from './connection.ts'
import type { TakeRow } from './row-packets.ts'

type Cells = readonly (string | null)[]

/** A connection that only reads: small answers as texts, large ones row by row. */
export class MysqlRows implements AsyncDisposable {
  readonly #connection: MysqlConnection

  private constructor(connection: MysqlConnection) {
    this.#connection = connection
  }

  /** Takes the connection over. Nothing can be written through it, whatever is asked. */
  static async open(connection: MysqlConnection): Promise<MysqlRows> {
    // TiDB knows no such session.
    if (connection.server.flavour !== 'tidb') await connection.query('SET SESSION TRANSACTION READ ONLY')
    return new MysqlRows(connection)
  }

  get isUsable(): boolean {
    return this.#connection.isUsable
  }

  async rows(sql: string): Promise<readonly Cells[]> {
    return (await this.table(sql)).rows
  }

  /** Bytes come as hexadecimal digits. */
  async table(sql: string): Promise<{ readonly columns: readonly string[]; readonly rows: readonly Cells[] }> {
    const { columns, rows } = await this.#connection.query(sql)
    return { columns, rows: rows.map((row) => row.map(asText)) }
  }

  async stream(sql: string, take: TakeRow, signal: AbortSignal): Promise<void> {
    await this.#connection.streamRows(sql, 'reading rows', take, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close()
  }
}

function asText(cell: MysqlCell): string | null {
  return typeof cell === 'string' || cell === null ? cell : cell.toString('hex')
}
