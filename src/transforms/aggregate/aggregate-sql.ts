import { OP_COLUMN } from '../../core/changes.ts'
import type { Schema } from '../../core/schema.ts'
import {
  duckType,
  END,
  MICROS,
  parseColumnType,
  quoteName,
  START,
  innerColumns,
  type AggregateWork,
  type InnerColumn,
} from '../../dataplane/index.ts'
import { microsSql } from '../event-micros.ts'
import { lastEndSql, sliceSql, windowsSql } from './window-sql.ts'

/** The SQL of an `aggregate`: rows → partial results → merged results → rows of the output. */
export class AggregateSql {
  readonly #work: AggregateWork
  readonly #group: readonly string[]
  readonly #bounds: readonly string[]
  readonly #parts: readonly string[]

  constructor(work: AggregateWork) {
    this.#work = work
    this.#group = work.groupBy.map(quoteName)
    this.#bounds = work.window === undefined ? [] : [quoteName(START), quoteName(END)]
    this.#parts = work.parts.map(({ name }) => quoteName(name))
  }

  /** Columns of partial results and of the kept state. */
  get columns(): readonly InnerColumn[] {
    return innerColumns(this.#work)
  }

  /** What tells one result from another. A session may grow, so it is known by its start. */
  get identity(): readonly string[] {
    return this.#work.window?.kind === 'session'
      ? [...this.#group, quoteName(START)]
      : [...this.#group, ...this.#bounds]
  }

  get group(): readonly string[] {
    return this.#group
  }

  /** Rows with their moment in microseconds beside them. */
  rows(relation: string): string {
    const { time } = this.#work
    return time === undefined
      ? `SELECT * FROM ${relation}`
      : `SELECT *, ${microsSql(time.column, this.#work.input)} AS ${quoteName(MICROS)} FROM ${relation}`
  }

  /** True for rows that no open window takes any more, and for those without a moment. */
  isLate(closed: bigint | undefined): string {
    const { window, lateness } = this.#work
    if (window === undefined) return 'false'
    const isMissing = `${quoteName(MICROS)} IS NULL`
    return closed === undefined ? isMissing : `${isMissing} OR ${lastEndSql(window)} <= ${closed - BigInt(lateness)}`
  }

  /** Partial results of rows (from `rows`) that are not late. */
  partial(rows: string, closed: bigint | undefined): string {
    const { window, lateness, parts } = this.#work
    const items = parts.map(({ name, partial }) => `${partial} AS ${quoteName(name)}`)
    const timely = `SELECT * FROM (${rows}) WHERE NOT (${this.isLate(closed)})`
    if (window === undefined) return grouped(this.#group, this.#group, items, timely)
    if (window.kind === 'session') return this.#sessionsOfRows(window.gap, items, timely)
    const slice = quoteName('#slice')
    const sliced = grouped([...this.#group, `${sliceSql(window)} AS ${slice}`], [...this.#group, slice], items, timely)
    const { edge, bounds } = windowsSql(window, slice)
    const inner = [...this.#group, ...this.#parts, `${edge} AS "#edge"`].join(', ')
    const { start, end } = bounds('"#edge"')
    const outer = [...this.#group, `${start} AS ${quoteName(START)}`, `${end} AS ${quoteName(END)}`, ...this.#parts]
    const spread = `SELECT ${outer.join(', ')} FROM (SELECT ${inner} FROM (${sliced}))`
    // Of the windows of a row some may have closed.
    const open = closed === undefined ? 'true' : `${quoteName(END)} > ${closed - BigInt(lateness)}`
    return this.merge(`SELECT * FROM (${spread}) WHERE ${open}`)
  }

  /** Partial results of the same group and window as one; `more` are further aggregates over them. */
  merge(partials: string, more: readonly string[] = []): string {
    const items = [...this.#work.parts.map(({ name, merge }) => `${merge} AS ${quoteName(name)}`), ...more]
    if (this.#work.window?.kind !== 'session') {
      const key = [...this.#group, ...this.#bounds]
      return grouped(key, key, items, partials)
    }
    const [start, end] = [quoteName(START), quoteName(END)]
    const before = `max(${end}) OVER (${this.#over(start, end)} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)`
    const bounds = [`min(${start}) AS ${start}`, `max(${end}) AS ${end}`]
    return this.#islands(partials, start, before, `${start}, ${end}`, bounds, items)
  }

  /** Results of merged rows as the step gives them. */
  results(merged: string): string {
    const calls = this.#work.calls.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`)
    const types = new Map(this.#work.output.map(({ name, type }) => [name, duckType(parseColumnType(type))]))
    const results = this.#work.results.map(
      ({ name, sql }) => `CAST(${sql} AS ${types.get(name)}) AS ${quoteName(name)}`,
    )
    const op = this.#work.retracts === true ? [`CAST(0 AS TINYINT) AS ${quoteName(OP_COLUMN)}`] : []
    const items = [...this.#group, ...this.#moments, ...results, ...op].join(', ')
    return `SELECT ${items} FROM (SELECT ${['*', ...calls].join(', ')} FROM (${merged}))`
  }

  /** Deletes of results that were given, told by the keys of their rows. */
  retractions(given: string): string {
    const key = new Set([...this.#work.groupBy, 'window_start', 'window_end'])
    const nothing = this.#work.output
      .filter(({ name }) => !key.has(name) && name !== OP_COLUMN)
      .map(({ name, type }) => `CAST(NULL AS ${duckType(parseColumnType(type))}) AS ${quoteName(name)}`)
    const op = `CAST(1 AS TINYINT) AS ${quoteName(OP_COLUMN)}`
    return `SELECT ${[...this.#group, ...this.#moments, ...nothing, op].join(', ')} FROM (${given})`
  }

  /** Rows within `gap` of each other. */
  #sessionsOfRows(gap: number, items: readonly string[], rows: string): string {
    const micros = quoteName(MICROS)
    const before = `lag(${micros}) OVER (${this.#over(micros)}) + ${gap}`
    const bounds = [`min(${micros}) AS ${quoteName(START)}`, `max(${micros}) + ${gap} AS ${quoteName(END)}`]
    return this.#islands(rows, micros, before, micros, bounds, items)
  }

  /** What follows each other without a gap is grouped: a row that begins before the end of all earlier ones belongs to them. */
  #islands(
    rows: string,
    start: string,
    endBefore: string,
    order: string,
    bounds: readonly string[],
    items: readonly string[],
  ): string {
    const marked = `SELECT *, CASE WHEN ${start} < ${endBefore} THEN 0 ELSE 1 END AS "#new" FROM (${rows})`
    const numbered = `SELECT *, sum("#new") OVER (${this.#over(order)} ROWS UNBOUNDED PRECEDING) AS "#island" FROM (${marked})`
    return `${grouped([...this.#group, ...bounds], [...this.#group, '"#island"'], items, numbered)}`
  }

  #over(...order: readonly string[]): string {
    const partition = this.#group.length === 0 ? '' : `PARTITION BY ${this.#group.join(', ')} `
    return `${partition}ORDER BY ${order.join(', ')}`
  }

  /** Both bounds of a window as results show them. */
  get #moments(): string[] {
    return this.#bounds.map((name, index) => {
      return `${this.#moment(name)} AS ${quoteName(index === 0 ? 'window_start' : 'window_end')}`
    })
  }

  #moment(name: string): string {
    const type = typeOf(this.#work.input, this.#work.time?.column ?? '')
    return type.kind === 'timestamptz' ? `make_timestamp(${name}) AT TIME ZONE 'UTC'` : `make_timestamp(${name})`
  }
}

/** Without a group there is one row, unless there are no rows at all. */
function grouped(items: readonly string[], by: readonly string[], aggregates: readonly string[], from: string): string {
  const select = `SELECT ${[...items, ...aggregates].join(', ')} FROM (${from})`
  return by.length === 0 ? `${select} HAVING count(*) > 0` : `${select} GROUP BY ${by.join(', ')}`
}

function typeOf(schema: Schema, name: string): ReturnType<typeof parseColumnType> {
  return parseColumnType(schema.find((column) => column.name === name)?.type ?? 'varchar')
}
