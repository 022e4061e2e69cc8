import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import { quoteName } from '../../dataplane/index.ts'

/** Columns that say where a row was read from. */
export interface PlaceColumns {
  readonly partition: string
  readonly offset: string
}

export interface Side {
  readonly rows: number
  /** Over all rows, whatever their order. */
  readonly digest: string
}

/** Rows that are on one side only, between two offsets of a partition, both inclusive. */
export interface DifferentRange {
  readonly partition: string
  readonly from: string
  readonly to: string
  readonly missing: number
  readonly extra: number
}

export interface Comparison {
  readonly expected: Side
  readonly found: Side
  /** Rows that should be there and are not, and the other way round. */
  readonly missing: number
  readonly extra: number
  readonly ranges: readonly DifferentRange[]
}

const RANGES_MAX = 100

/** Two relations with the columns of `expected`, in a database of their own. */
export class RowComparison implements Disposable {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance
    this.#connection = connection
  }

  /** What does not fit into memory goes to `directory`. */
  static async open(directory: string): Promise<RowComparison> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '2', temp_directory: directory })
    const connection = await instance.connect()
    await connection.run(`SET TimeZone = 'UTC'`)
    return new RowComparison(instance, connection)
  }

  async run(sql: string): Promise<readonly (readonly unknown[])[]> {
    return (await this.#connection.runAndReadAll(sql)).getRows()
  }

  async columnsOf(relation: string): Promise<readonly { readonly name: string; readonly type: string }[]> {
    const rows = await this.run(`SELECT column_name, column_type FROM (DESCRIBE ${relation})`)
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }))
  }

  /** `expected` and `found` are tables with the same columns. */
  async compare(place: PlaceColumns | undefined): Promise<Comparison> {
    const columns = await this.columnsOf('expected')
    const [expected, found] = [await this.#side('expected', columns), await this.#side('found', columns)]
    if (expected.rows === found.rows && expected.digest === found.digest)
      return { expected, found, missing: 0, extra: 0, ranges: [] }
    await this.run(`CREATE OR REPLACE TEMP TABLE different AS
      (SELECT 1 AS is_missing, * FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM found))
      UNION ALL (SELECT 0, * FROM (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))`)
    const [[missing, extra] = []] = await this.run(
      'SELECT count(*) FILTER (is_missing = 1), count(*) FILTER (is_missing = 0) FROM different',
    )
    const ranges = place === undefined ? [] : await this.#ranges(place)
    return { expected, found, missing: Number(missing), extra: Number(extra), ranges }
  }

  [Symbol.dispose](): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }

  async #side(relation: string, columns: readonly { readonly name: string }[]): Promise<Side> {
    const values = columns.map(({ name }) => quoteName(name)).join(', ')
    const [[rows, digest] = []] = await this.run(
      `SELECT count(*), coalesce(sum(CAST(hash(${values}) AS HUGEINT)), 0)::VARCHAR FROM ${relation}`,
    )
    const sum = BigInt(String(digest)) % 2n ** 64n
    return { rows: Number(rows), digest: sum.toString(16).padStart(16, '0') }
  }

  /** Offsets that follow each other are one range, also over rows that are equal where nothing else lies between. */
  async #ranges({ partition, offset }: PlaceColumns): Promise<DifferentRange[]> {
    const [p, o] = [quoteName(partition), quoteName(offset)]
    const rows = await this.run(`
      WITH places AS (
        SELECT ${p} AS p, ${o} AS o, dense_rank() OVER (PARTITION BY ${p} ORDER BY ${o}) AS n
        FROM (SELECT DISTINCT ${p}, ${o} FROM expected UNION SELECT DISTINCT ${p}, ${o} FROM found)),
      bad AS (
        SELECT ${p} AS p, ${o} AS o, sum(is_missing) AS m, count(*) - sum(is_missing) AS e FROM different GROUP BY ALL),
      islands AS (SELECT bad.*, n - row_number() OVER (PARTITION BY bad.p ORDER BY n) AS island
        FROM bad JOIN places ON places.p IS NOT DISTINCT FROM bad.p AND places.o IS NOT DISTINCT FROM bad.o)
      SELECT p, min(o), max(o), sum(m), sum(e) FROM islands GROUP BY p, island ORDER BY 1, 2 LIMIT ${RANGES_MAX}`)
    return rows.map(([at, from, to, missing, extra]) => ({
      partition: String(at),
      from: String(from),
      to: String(to),
      missing: Number(missing),
      extra: Number(extra),
    }))
  }
}
