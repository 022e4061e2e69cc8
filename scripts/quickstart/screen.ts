import path from 'node:path'
import type { Output } from '../../src/cli/output.ts'
import { formatDuration } from '../../src/cli/quantities.ts'
import { tableText } from '../../src/cli/table.ts'
import { paint } from '../../src/cli/terminal.ts'
import type { Comparison } from './compare.ts'
import type { Place } from './place.ts'
import type { RunWatcher } from './attempt.ts'

const BAR_CELLS = 30

/** Everything that the quickstart says. */
export class Screen implements RunWatcher {
  readonly #output: Output
  #expected = 0
  /** On no terminal there is no bar: a line for every quarter instead. */
  #quarters = 0

  constructor(output: Output) {
    this.#output = output
  }

  title(rows: number): void {
    this.#line(paint('bold', 'The quickstart of Millrace'))
    this.#line(
      `${count(rows)} real flights, as log files → SQL → a Hudi table on this disk, while the job is killed again and again.`,
    )
    this.#line('')
  }

  step(name: string, text: string): void {
    this.#line(`${paint('bold', name.padEnd(11))} ${text}`)
  }

  busy(text: string): void {
    this.#output.live([paint('dim', `           ${text}`)])
  }

  rest(): void {
    this.#output.live([])
  }

  expect(rows: number): void {
    this.#expected = rows
  }

  progress(state: { rows: number; checkpoint: number; kills: number; doing: string }): void {
    const { rows, checkpoint, kills, doing } = state
    const share = this.#expected === 0 ? 0 : Math.min(1, rows / this.#expected)
    const facts = `${percent(share)}  ${count(rows)} rows in the table, checkpoint ${checkpoint}, killed ${kills}×, ${doing}`
    const full = Math.floor(share * BAR_CELLS)
    this.#output.live(['', `  ${'█'.repeat(full)}${paint('dim', '░'.repeat(BAR_CELLS - full))} ${facts}`])
    const quarters = Math.floor(share * 4)
    if (quarters > this.#quarters && !this.#output.isTerminal) this.#line(`  ${facts}`)
    this.#quarters = Math.max(this.#quarters, quarters)
  }

  killed(moment: string, after: string): void {
    this.#line(`  ${paint('red', '✗')} killed ${moment} ${paint('dim', '→')} ${after}`)
  }

  comparison({ source, table, missing }: Comparison): void {
    const rows = [
      ['', 'rows', 'digest over all columns'],
      ['source', count(source.rows), source.digest],
      ['table', count(table.rows), table.digest],
    ]
    this.#line('')
    this.step(
      'Compare',
      'DuckDB applies the SQL to the original flights, and reads the files that completed commits name:',
    )
    this.#output.print(indent(tableText(rows)))
    for (const file of missing.slice(0, 3)) this.#line(`  ${paint('red', 'missing')} ${file}, which a commit names`)
    if (missing.length > 3) this.#line(`  and ${missing.length - 3} more`)
    this.#line('')
  }

  verdict({ source, lost, duplicated, isEqual }: Comparison, run?: { kills: number; ms: number }): void {
    const parts = [
      `${count(source.rows)} rows`,
      ...(run === undefined ? [] : [`killed ${run.kills} times`]),
      `${count(lost)} lost`,
      `${count(duplicated)} duplicated`,
    ]
    const text = `${isEqual ? '✔' : '✖'} ${parts.join(', ')}`
    const took = run === undefined ? '' : paint('dim', `  (${formatDuration(run.ms)} in all)`)
    this.#line(`${paint(isEqual ? 'green' : 'red', text)}${took}`)
  }

  mismatch(place: Place): void {
    this.#line(
      'Source and table differ. That must never be: if nobody touched the table, this is a bug. Please report it',
    )
    this.#line(`with the checkpoint log in ${shown(place.state)}; then \`npm start\` begins again.`)
  }

  /** A query over the table, as rows of text, the names of the columns first. */
  query(sql: string, rows: readonly (readonly string[])[]): void {
    this.#line('')
    this.#line(paint('dim', sql))
    this.#output.print(tableText(rows))
  }

  farewell(place: Place): void {
    const pipeline = shown(place.pipeline)
    const places = [
      ['pipeline', pipeline],
      ['table', `${shown(place.table)} (a Hudi table: for Spark, Flink, Trino, hudi-rs)`],
      ['checkpoints', shown(place.state)],
      ['logs', shown(place.logs)],
    ]
    const next = [
      [`bin/millrace explain ${pipeline}`, 'the plan, and why it is exactly-once'],
      [`bin/millrace checkpoints ${pipeline}`, 'the last checkpoints: rows, times, state'],
      [`bin/millrace run ${pipeline}`, 'run again: nothing is new, so nothing is written'],
      ['npm start -- --keep', 'after you changed the SQL: run, kill and compare yours'],
    ]
    this.#line('')
    for (const [name = '', at = ''] of places) this.step(name, at)
    this.#line('')
    this.#line('Try next:')
    const width = Math.max(...next.map(([command = '']) => command.length))
    for (const [command = '', why = ''] of next) this.#line(`  ${command.padEnd(width)}  ${paint('dim', `# ${why}`)}`)
  }

  #line(text: string): void {
    this.#output.print(`${text}\n`)
  }
}

/** A path as it can be typed from here. */
export function shown(absolute: string): string {
  const relative = path.relative(process.cwd(), absolute)
  return relative.startsWith('..') ? absolute : relative
}

export function count(value: number | bigint): string {
  return value.toLocaleString('en-US')
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`.padStart(5)
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ')
}
