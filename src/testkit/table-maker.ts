import { DuckDBInstance } from '@duckdb/node-api'
import { quoteText } from '../dataplane/index.ts'

/** Makes Parquet files for tests, with a DuckDB that is not ours. */
export interface TableMaker extends AsyncDisposable {
  write(path: string, select: string, options?: string): Promise<void>
}

export async function openTableMaker(): Promise<TableMaker> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  return {
    write: async (path, select, options) => {
      const more = options === undefined ? '' : `, ${options}`
      await connection.run(`COPY (${select}) TO ${quoteText(path)} (FORMAT parquet${more})`)
    },
    [Symbol.asyncDispose]: async () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}
