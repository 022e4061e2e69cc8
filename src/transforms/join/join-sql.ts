import { joinColumns, quoteName, type InnerColumn, type JoinWork } from '../../dataplane/index.ts'
import { microsSql } from '../event-micros.ts'

/** Columns of kept rows beside those of travelling ones. The number tells rows of a key apart; the others say when a row last changed, and that it found a partner. */
const NUMBER = '#n'
const CHANGED = '#changed'
const MATCHED = '#matched'

export type SideName = 'left' | 'right'

/** The rows of both sides of a join as they travel and are kept: in one table, each with the columns of its side. */
export class JoinSql {
  readonly #work: JoinWork
  readonly #columns: { readonly left: readonly string[]; readonly right: readonly string[] }
  readonly key: readonly string[]

  constructor(work: JoinWork) {
    this.#work = work
    this.key = work.key.map(({ name }) => quoteName(name))
    this.#columns = {
      left: work.left.input.map((_, index) => quoteName(`#l${index}`)),
      right: work.right.input.map((_, index) => quoteName(`#r${index}`)),
    }
  }

  /** What tells kept rows apart. */
  get identity(): readonly string[] {
    return [...this.key, quoteName(NUMBER)]
  }

  get kept(): readonly InnerColumn[] {
    const own = [
      { name: NUMBER, type: 'BIGINT' },
      { name: CHANGED, type: 'BIGINT' },
      { name: MATCHED, type: 'BOOLEAN' },
    ]
    return [...joinColumns(this.#work), ...own]
  }

  /** Rows of a side with their moment, and whether they come too late. */
  rows(side: SideName, relation: string, closed: bigint | undefined): string {
    const { time, input } = this.#work[side]
    const micros = microsSql(time, input)
    const isLate = `${micros} IS NULL${closed === undefined ? '' : ` OR ${micros} < ${closed}`}`
    return `SELECT *, ${micros} AS "#us", (${isLate}) AS "#late" FROM ${relation}`
  }

  /** Rows (from `rows`) as they travel. */
  travelling(side: SideName, rows: string): string {
    const { key, input } = this.#work[side]
    const keys = key.map((name, index) => {
      return `CAST(${quoteName(name)} AS ${this.#work.key[index]?.type}) AS ${this.key[index]}`
    })
    const own = input.map(({ name }, index) => `${quoteName(name)} AS ${this.#columns[side][index]}`)
    const missing = joinColumns(this.#work).filter(({ name }) => name.startsWith(side === 'left' ? '#r' : '#l'))
    const nulls = missing.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${quoteName(name)}`)
    const values = side === 'left' ? [...own, ...nulls] : [...nulls, ...own]
    const items = [`CAST(${codeOf(side)} AS TINYINT) AS "#side"`, '"#us"', ...keys, ...values]
    return `SELECT ${items.join(', ')} FROM (${rows}) WHERE NOT "#late"`
  }

  /** Rows that came, as they are kept. */
  keeping(relation: string, firstNumber: bigint, turn: bigint): string {
    const names = joinColumns(this.#work).map(({ name }) => quoteName(name))
    return `SELECT ${names.join(', ')}, ${firstNumber} + row_number() OVER () - 1, ${turn}, false FROM ${relation}`
  }

  /** Pairs of kept rows of which one is new (its number is not below), as results, with the places of both. */
  pairs(kept: string, firstNumber: bigint): string {
    const isNew = (row: string): string => `${row}."#n" >= ${firstNumber}`
    const rows = (side: SideName, condition: string): string =>
      `(SELECT rowid AS "#row", * FROM ${kept} k WHERE ${sideIs(side)} AND ${condition})`
    const near = `r."#us" BETWEEN l."#us" - ${this.#work.before} AND l."#us" + ${this.#work.after}`
    const match = [...this.key.map((name) => `l.${name} = r.${name}`), near].join(' AND ')
    const select = `SELECT l."#row" AS "#left", r."#row" AS "#right", ${this.#results('l', 'r').join(', ')}`
    const newLeft = `${select} FROM ${rows('left', isNew('k'))} l JOIN ${rows('right', 'true')} r ON ${match}`
    const oldLeft = `${select} FROM ${rows('left', `NOT (${isNew('k')})`)} l JOIN ${rows('right', isNew('k'))} r ON ${match}`
    return `${newLeft} UNION ALL ${oldLeft}`
  }

  matched(kept: string, pairs: string, turn: bigint): string {
    const found = `SELECT "#left" FROM ${pairs} UNION ALL SELECT "#right" FROM ${pairs}`
    return `UPDATE ${kept} SET "#matched" = true, "#changed" = ${turn} WHERE NOT "#matched" AND rowid IN (${found})`
  }

  /** No row that comes from here on, and is not late, can be a partner of it. */
  isOver(eventTime: bigint | undefined, isEnd: boolean): string {
    if (isEnd) return 'true'
    if (eventTime === undefined) return 'false'
    const { before, after } = this.#work
    return `("#us" + CASE WHEN ${sideIs('left')} THEN ${after} ELSE ${before} END < ${eventTime})`
  }

  /** Kept rows of a side that found nothing, with the columns that they came with. */
  unmatched(side: SideName, kept: string, over: string): string {
    const items = this.#work[side].input.map(({ name }, index) => `${this.#columns[side][index]} AS ${quoteName(name)}`)
    return `SELECT ${items.join(', ')} FROM ${kept} WHERE NOT "#matched" AND ${sideIs(side)} AND ${over}`
  }

  /** The same of the left side as results. */
  lonely(kept: string, over: string): string {
    const items = this.#results('l', 'l').join(', ')
    return `SELECT ${items} FROM ${kept} l WHERE NOT "#matched" AND ${sideIs('left')} AND ${over}`
  }

  changed(kept: string, turn: bigint): string {
    return `SELECT * FROM ${kept} WHERE "#changed" = ${turn}`
  }

  #results(left: string, right: string): string[] {
    const { output, columns } = this.#work
    const own = this.#columns.left.map(
      (column, index) => `${left}.${column} AS ${quoteName(output[index]?.name ?? '')}`,
    )
    const found = columns.map(({ name, column }) => {
      const index = this.#work.right.input.findIndex((one) => one.name === column)
      return `${right}.${this.#columns.right[index]} AS ${quoteName(name)}`
    })
    return [...own, ...found]
  }
}

function codeOf(side: SideName): number {
  return side === 'left' ? 0 : 1
}

function sideIs(side: SideName): string {
  return `"#side" = ${codeOf(side)}`
}
