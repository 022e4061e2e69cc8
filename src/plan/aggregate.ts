import { createHash } from 'node:crypto'
import { OP_COLUMN } from '../core/changes.ts'
import type { Finding } from '../core/checkpoint-types.ts'
import type { Schema } from '../core/schema.ts'
import type { AggregateWork, EventTimeWork, Window } from '../dataplane/aggregate-work.ts'
import { parseColumnType } from '../dataplane/types.ts'
import type { AggregateOptions, WatermarkOptions, WindowOptions } from './keyed-definition.ts'
import { configError, type Path } from './parsed-file.ts'
import type { SqlChecker } from './sql-checker.ts'
import { suggestion } from './suggest.ts'

/** The column that holds the moment of a row while it is being aggregated. */
const MICROS = '#us'
const MICROS_PER_MS = 1000

/** Checks an `aggregate` against the columns that it reads, and plans it. */
export async function planAggregate(
  id: string,
  options: AggregateOptions,
  input: Schema,
  checker: SqlChecker,
): Promise<AggregateWork | readonly Finding[]> {
  const at = ['transforms', id, 'aggregate']
  const findings: Finding[] = []
  const groupBy = keyColumns(options.groupBy, input, [...at, 'groupBy'], findings)
  const time = planTime(options.watermark, input, [...at, 'watermark'], findings)
  findings.push(...combinationFindings(options, at))
  const bounds = options.window === undefined ? [] : boundsOf(input, time)
  findings.push(...nameFindings([...groupBy, ...bounds], Object.keys(options.aggregates), at))
  const compiled = await checker.aggregates({
    rows: input,
    groupBy,
    time: time === undefined ? undefined : MICROS,
    aggregates: options.aggregates,
  })
  if ('findings' in compiled) {
    const placed = compiled.findings.map(({ name, message, hint }) =>
      configError(message, [...at, 'aggregates', name], hint),
    )
    return [...findings, ...placed]
  }
  if (findings.length > 0) return findings
  const window = options.window === undefined ? undefined : windowOf(options.window)
  const { parts, calls, results } = compiled
  const names = groupBy.map(({ name }) => name)
  const retracts = window?.kind === 'session' && (options.emit !== undefined || (options.lateness ?? 0) > 0)
  const op = { name: OP_COLUMN, type: 'tinyint', nullable: false }
  const resultColumns = results.map(({ name, type }) => ({ name, type, nullable: true }))
  return {
    id,
    input,
    groupBy: names,
    ...(time && { time }),
    ...(window && { window }),
    lateness: (options.lateness ?? 0) * MICROS_PER_MS,
    parts,
    calls,
    results: results.map(({ name, sql }) => ({ name, sql })),
    output: [...groupBy, ...bounds, ...resultColumns, ...(retracts ? [op] : [])],
    ...(options.emit && { emitEveryMs: options.emit.every }),
    ...(retracts && { retracts }),
    definition: hashOf({
      version: 1,
      groupBy,
      window,
      time: window && time?.column,
      parts,
      ...(retracts && { retracts }),
    }),
  }
}

/** The columns of a key; values that are equal and look different, as floating-point numbers may be, make no key. */
export function keyColumns(names: readonly string[], input: Schema, at: Path, findings: Finding[]): Schema {
  return names.flatMap((name, index) => {
    const path = names.length > 1 ? [...at, index] : at
    const column = columnOf(name, input, path, findings)
    if (column === undefined) return []
    if (names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) !== index) {
      findings.push(configError(`${JSON.stringify(name)} is listed twice`, path))
    }
    if (/^(float|double)$/.test(column.type)) {
      findings.push(
        configError(`${JSON.stringify(name)} is ${column.type}, which makes no key`, path, 'cast it before'),
      )
    }
    return [column]
  })
}

export function planTime(
  watermark: WatermarkOptions | undefined,
  input: Schema,
  at: Path,
  findings: Finding[],
): EventTimeWork | undefined {
  if (watermark === undefined) return undefined
  const column = columnOf(watermark.column, input, [...at, 'column'], findings)
  if (column === undefined) return undefined
  const { kind } = parseColumnType(column.type)
  if (kind !== 'timestamp' && kind !== 'timestamptz' && kind !== 'date') {
    const hint = 'make a timestamp of it in a `map` before, for example make_timestamp(ms * 1000)'
    findings.push(configError(`${JSON.stringify(column.name)} is ${column.type}, no moment`, [...at, 'column'], hint))
  }
  const { delay, idle } = watermark
  return { column: column.name, delay: delay * MICROS_PER_MS, ...(idle !== undefined && { idleMs: idle }) }
}

function columnOf(name: string, input: Schema, at: Path, findings: Finding[]): Schema[number] | undefined {
  const column = input.find((one) => one.name.toLowerCase() === name.toLowerCase())
  if (column === undefined) {
    const names = input.map((one) => one.name)
    findings.push(
      configError(`there is no column ${JSON.stringify(name)}`, at, suggestion(name, names) ?? names.join(', ')),
    )
  }
  return column
}

function combinationFindings({ window, watermark, lateness }: AggregateOptions, at: Path): Finding[] {
  const findings: Finding[] = []
  if (window !== undefined && watermark === undefined) {
    const hint = 'for example watermark: {column: ts, delay: 10s}'
    findings.push(configError('windows need event time: a `watermark`', [...at, 'window'], hint))
  }
  if (window === undefined && lateness !== undefined) {
    findings.push(configError('nothing is late without windows', [...at, 'lateness'], 'remove it'))
  }
  return findings
}

function boundsOf(input: Schema, time: EventTimeWork | undefined): Schema {
  const type = input.find(({ name }) => name === time?.column)?.type
  const moment = type === 'timestamptz' ? 'timestamptz' : 'timestamp(6)'
  return ['window_start', 'window_end'].map((name) => ({ name, type: moment, nullable: false }))
}

function nameFindings(taken: Schema, made: readonly string[], at: Path): Finding[] {
  const known = new Set(taken.map(({ name }) => name.toLowerCase()))
  return made.flatMap((name) => {
    const isTaken = known.has(name.toLowerCase())
    known.add(name.toLowerCase())
    const path = [...at, 'aggregates', name]
    if (name.startsWith('#')) return [configError('names of results do not begin with #', path)]
    return isTaken ? [configError(`the result has two columns called ${JSON.stringify(name)}`, path)] : []
  })
}

function windowOf(options: WindowOptions): Window {
  const micros = (ms: number | undefined): number => (ms ?? 0) * MICROS_PER_MS
  const { tumbling, hopping, cumulative, session } = options
  const offset = micros(options.offset)
  const every = micros(options.every)
  if (tumbling !== undefined) return { kind: 'tumbling', size: micros(tumbling), offset }
  if (hopping !== undefined) return { kind: 'hopping', size: micros(hopping), every, offset }
  if (cumulative !== undefined) return { kind: 'cumulative', size: micros(cumulative), every, offset }
  return { kind: 'session', gap: micros(session) }
}

export function hashOf(definition: object): string {
  return createHash('sha256').update(JSON.stringify(definition)).digest('hex')
}
