import { isDeepStrictEqual } from 'node:util'
import type { BodyFormat } from '../core/batch.ts'
import type { SinkDescription, SourceDescription } from '../core/connector.ts'
import type { Port } from './graph.ts'

const NEWLINE = 0x0a

/** Which body every source gives and every sink takes, and which sources must be decoded for somebody. */
export interface BodyChoice {
  readonly gives: ReadonlyMap<string, BodyFormat>
  readonly takes: ReadonlyMap<string, BodyFormat>
  /** Sources with a reader that needs values but whose records cannot be decoded. */
  readonly undecodable: readonly { readonly source: string; readonly reader: string }[]
}

export interface BodyQuestion {
  readonly sources: ReadonlyMap<string, SourceDescription>
  readonly sinks: readonly {
    readonly id: string
    readonly from: readonly Port[]
    readonly takes: SinkDescription['takes']
  }[]
  /** Sources that transforms read, with the name of one reader. */
  readonly decoded: ReadonlyMap<string, string>
}

/**
 * Bytes are passed through wherever all sources of a sink can give exactly what it takes; a source whose values
 * somebody needs gives what DuckDB reads best, and its sinks take that or an encoding by the query step. A source gives
 * one body only, so a sink that finds no body in common makes its sources decoded, which may change earlier choices:
 * the search starts again, and ends because the set of decoded sources only grows.
 */
export function chooseBodies(question: BodyQuestion): BodyChoice {
  const decoded = new Map(question.decoded)
  for (;;) {
    const choice = tryChoice(question, decoded)
    if (choice !== undefined) return choice
  }
}

function tryChoice(question: BodyQuestion, decoded: Map<string, string>): BodyChoice | undefined {
  const gives = new Map<string, BodyFormat>()
  const takes = new Map<string, BodyFormat>()
  const undecodable: { source: string; reader: string }[] = []
  for (const [source, reader] of decoded) {
    const description = question.sources.get(source)
    const body = description === undefined ? undefined : decodable(description)
    if (body === undefined) undecodable.push({ source, reader })
    else gives.set(source, body)
  }
  for (const sink of question.sinks) {
    const direct = sink.from.filter((port) => port.kind === 'source').map((port) => port.name)
    const passed = direct.length === 0 ? undefined : passThrough(sink, direct, question.sources, gives)
    if (passed !== undefined) {
      for (const source of direct) gives.set(source, passed)
      takes.set(sink.id, passed)
      continue
    }
    const undecided = direct.filter((source) => !decoded.has(source))
    for (const source of undecided) decoded.set(source, sink.id)
    if (undecided.length > 0) return undefined
    takes.set(sink.id, encodable(sink.takes))
  }
  return { gives, takes, undecodable }
}

/** The first body of the sink that all its inputs can give unchanged. Other inputs of a list can be encoded to it. */
function passThrough(
  sink: BodyQuestion['sinks'][number],
  direct: readonly string[],
  sources: BodyQuestion['sources'],
  gives: ReadonlyMap<string, BodyFormat>,
): BodyFormat | undefined {
  const isMixed = direct.length < sink.from.length
  for (const wanted of sink.takes) {
    const bodies = direct.map((source) => {
      const description = sources.get(source)
      const body = description === undefined ? undefined : unchanged(description, wanted)
      const decided = gives.get(source)
      return body !== undefined && (decided === undefined || isSameBody(decided, body)) ? body : undefined
    })
    const [first] = bodies
    if (first === undefined || !bodies.every((body) => body !== undefined && isSameBody(first, body))) continue
    if (!isMixed || !isRaw(first)) return first
  }
  return undefined
}

/**
 * What the source would give for a sink that wants this body, if no byte has to change. `raw` takes records of every
 * encoding. CSV never fits CSV by itself: both sides may mean another dialect, header or order of columns.
 */
function unchanged(source: SourceDescription, wanted: BodyFormat): BodyFormat | undefined {
  if (wanted.kind === 'parquet' || !source.gives.includes(wanted.kind)) return undefined
  if (wanted.kind !== 'bytes') return wanted
  if (source.format === 'parquet') return undefined
  if (wanted.format === 'raw') return { ...wanted, format: source.format }
  return wanted.format === source.format && wanted.format === 'json' ? wanted : undefined
}

/** What a source gives for somebody who needs its values; `undefined`: its records have none. */
export function decodable(source: SourceDescription): BodyFormat | undefined {
  for (const kind of source.gives) {
    if (kind === 'table' || kind === 'rows') return { kind }
    if (kind === 'bytes' && (source.format === 'json' || source.format === 'csv'))
      return { kind, format: source.format, separator: NEWLINE }
  }
  return undefined
}

/** The body that a query step makes for the sink: its best one, except `raw`, which only passes through. */
export function encodable(takes: SinkDescription['takes']): BodyFormat {
  return takes.find((body) => !isRaw(body)) ?? { kind: 'table' }
}

function isRaw(body: BodyFormat): boolean {
  return body.kind === 'bytes' && body.format === 'raw'
}

export function isSameBody(left: BodyFormat, right: BodyFormat): boolean {
  if (left.kind === 'parquet' || right.kind === 'parquet') return isDeepStrictEqual(left, right)
  if (left.kind !== 'bytes' || right.kind !== 'bytes') return left.kind === right.kind
  return left.format === right.format && left.separator === right.separator
}

/** `JSON bytes separated by ","`, for people. */
export function formatBody(body: BodyFormat): string {
  if (body.kind === 'table') return 'table'
  if (body.kind === 'parquet') return `Parquet (${body.compression})`
  if (body.kind === 'rows') return 'rows (JavaScript objects)'
  if (body.separator === NEWLINE) return body.format === 'json' ? 'bytes (NDJSON)' : `bytes (${body.format} lines)`
  return `bytes (${body.format}, separated by ${JSON.stringify(String.fromCharCode(body.separator))})`
}
