/** One connection to an SQL server, whichever it is. Structurally what the clients' connections are. */
export interface SqlSession {
  query(sql: string, doing?: string, values?: SqlValues): Promise<SqlAnswer>
  /** False after the connection was lost. */
  readonly isUsable: boolean
  close(): Promise<void>
  /** Ends the connection at once; the server rolls back what is open. */
  destroy(): void
}

export interface SqlValues {
  /** Bytes are texts in UTF-8: the statement has to take them as `text`. */
  readonly texts: readonly (string | Buffer | null)[]
  /** Statements with a name are planned once for each connection. */
  readonly name?: string
}

export interface SqlAnswer {
  readonly rows: readonly (readonly (string | Uint8Array | null)[])[]
  /** Warnings that the statement left, where the server counts them. */
  readonly warnings?: number
  /** The word of the command tag, where the server has one. */
  readonly command?: string
}

/** The cell of the first row and column as a number; `undefined` without a row. */
export function numberIn({ rows }: SqlAnswer): number | undefined {
  const cell = rows[0]?.[0]
  return cell === undefined || cell === null ? undefined : Number(cell)
}

export function textAt(row: readonly (string | Uint8Array | null)[], at: number): string {
  const cell = row[at]
  return typeof cell === 'string' ? cell : cell === undefined || cell === null ? '' : Buffer.from(cell).toString('utf8')
}
