import type { Cut } from './cut.ts'
import { between, type SliceDialect, type SliceSession } from './dialect.ts'
import type { RowLayout } from './row-encoder.ts'
import type { SliceSpec } from './slice-split.ts'
import type { SliceColumn, TableShape } from './table-shape.ts'

/** The statements that read one split. */
export class SliceQuery {
  readonly layout: RowLayout
  readonly #dialect: SliceDialect
  readonly #shape: TableShape
  readonly #spec: SliceSpec
  constructor(dialect: SliceDialect, shape: TableShape, spec: SliceSpec, separator: number) {
    this.#dialect = dialect
    this.#shape = shape
    this.#spec = spec
    this.layout = layoutOf(dialect, shape, separator)
  }

  /** The next rows between two cuts, in order. */
  page(from: Cut | undefined, to: Cut | undefined, rows: number): string {
    const dialect = this.#dialect
    const columns = this.layout.columns.map(({ sql }) => sql).join(', ')
    const order = this.#shape.key.map(({ name }) => dialect.quote(name)).join(', ')
    return dialect.streamed(
      `SELECT ${columns} FROM ${this.#from()}${this.#where(from, to)} ORDER BY ${order} LIMIT ${rows}`,
    )
  }

  /** Gives no rows: the server says whether it understands the conditions. */
  async probe(session: SliceSession): Promise<void> {
    await session.rows(`SELECT 1 FROM ${this.#from()}${this.#where(undefined, undefined)} LIMIT 0`)
  }

  async count(session: SliceSession, from: Cut | undefined, to: Cut): Promise<number> {
    const rows = await session.rows(`SELECT count(*) FROM ${this.#from()}${this.#where(from, to)}`)
    return Number(rows[0]?.[0] ?? 0)
  }

  #from(): string {
    return this.#dialect.tableSql(this.#spec.table, this.#spec.asOf)
  }

  #where(from: Cut | undefined, to: Cut | undefined): string {
    const conditions = between(this.#dialect, this.#shape.key, from, to)
    if (this.#spec.where !== undefined) conditions.push(`(${this.#spec.where})`)
    return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  }
}

/** The given columns, and behind them those parts of the key that are not given as they are. */
function layoutOf(dialect: SliceDialect, { columns, key }: TableShape, separator: number): RowLayout {
  const selected: SliceColumn[] = [...columns]
  const places = key.map(({ name, nativeType }) => {
    const sql = dialect.quote(name)
    const given = selected.findIndex((column) => column.sql === sql && column.cell !== 'bytes')
    if (given >= 0) return given
    const cell = isBinary(nativeType) ? 'bytes' : 'text'
    return selected.push({ name, sql, type: 'varchar', nullable: false, cell }) - 1
  })
  return { columns: selected, given: columns.length, key: places, separator }
}

/** Binary strings of MySQL: their bytes are no text. */
function isBinary(nativeType: string): boolean {
  return /^(?:var)?binary/.test(nativeType)
}
