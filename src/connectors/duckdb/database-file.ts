import { mkdir, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.ts'

const MEMORY_LIMIT = '512MB'

/**
 * Work on each file, by its real path. DuckDB's lock keeps other processes out, but not a second instance in the same one:
 * sinks that fill tables of one database take turns.
 */
const turns = new Map<string, Promise<unknown>>()

/**
 * The database file. DuckDB lets one process at a time open a file that is written, so it is open only while something is
 * done with it: between two commits, readers may open it.
 */
export class DatabaseFile {
  readonly path: string
  #last: Promise<unknown> = Promise.resolve()

  constructor(path: string) {
    this.path = path
  }

  /** Runs `work` in a transaction; what it throws takes everything back. One at a time. */
  transaction<T>(doing: string, work: (run: RunSql) => Promise<T>): Promise<T> {
    const mine = this.#inTurn(() => this.#open(doing, (connection) => inTransaction(connection, work)))
    this.#last = mine.catch(() => undefined)
    return mine
  }

  async close(): Promise<void> {
    await this.#last
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    await mkdir(dirname(this.path), { recursive: true })
    const place = join(await realpath(dirname(this.path)), basename(this.path))
    const mine = (turns.get(place) ?? Promise.resolve()).then(work)
    turns.set(
      place,
      mine.catch(() => undefined),
    )
    return await mine
  }

  async #open<T>(doing: string, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    let instance: DuckDBInstance | undefined
    try {
      instance = await DuckDBInstance.create(this.path, {
        memory_limit: MEMORY_LIMIT,
        threads: '2',
        autoload_known_extensions: 'false',
        autoinstall_known_extensions: 'false',
        // Rows that are added keep no order of their own, and need less memory.
        preserve_insertion_order: 'false',
      })
      const connection = await instance.connect()
      try {
        await connection.run(`SET TimeZone = 'UTC'`)
        return await work(connection)
      } finally {
        connection.closeSync()
      }
    } catch (thrown) {
      throw databaseError(`${this.path}: ${doing}`, thrown)
    } finally {
      instance?.closeSync()
    }
  }
}

export type RunSql = (sql: string) => Promise<readonly (readonly unknown[])[]>

async function inTransaction<T>(connection: DuckDBConnection, work: (run: RunSql) => Promise<T>): Promise<T> {
  await connection.run('BEGIN')
  try {
    const result = await work(async (sql) => (await connection.runAndReadAll(sql)).getRows())
    await connection.run('COMMIT')
    return result
  } catch (thrown) {
    await connection.run('ROLLBACK').catch(() => undefined)
    throw thrown
  }
}

/** Another process that has the file open lets go of it some time; what does not fit the table needs a hand. */
function databaseError(doing: string, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const text = thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : String(thrown)
  if (/lock/i.test(text)) {
    const message = `${doing}: another process has the database open; it is written when that lets go of it`
    return new MillraceError(message, { code: 'UNAVAILABLE', retry: 'retry', cause: thrown })
  }
  if (/^(Constraint|Conversion|Out of Range)/.test(text)) {
    // The text may show a value of a row.
    const kind = (text.split(' Error')[0] ?? '').toLowerCase()
    const message = `${doing}: a row does not fit the table (${kind} error)`
    return new MillraceError(message, { code: 'SCHEMA', retry: 'halt', cause: thrown })
  }
  if (/^(Binder|Catalog)/.test(text)) {
    return new MillraceError(`${doing}: ${text.slice(0, 200)}`, { code: 'SCHEMA', retry: 'halt', cause: thrown })
  }
  return new MillraceError(`${doing}: ${text.slice(0, 200)}`, { code: 'UNAVAILABLE', retry: 'retry', cause: thrown })
}
