import { MillraceError } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'

/** What of a source is read again: `{topic: {partition: offset}}`, the end exclusive. */
export interface ReplayRange {
  readonly start: JsonObject
  readonly end: JsonObject
}

export interface ReplayAsk {
  readonly name: string
  /** The sink that is written to. */
  readonly sink: string
  /** Its other target; absent: its own. */
  readonly to: string | undefined
  readonly ranges: ReadonlyMap<string, ReplayRange>
  /** Takes the place of every sink: only what would be written is wanted. */
  readonly instead?: (id: string, sink: JsonObject) => JsonObject
}

/** The option that says what a sink writes to. */
const TARGETS: Readonly<Record<string, string>> = {
  starrocks: 'table',
  doris: 'table',
  mysql: 'table',
  tidb: 'table',
  postgres: 'table',
  duckdb: 'table',
  kafka: 'topic',
  files: 'path',
  hudi: 'path',
}

/**
 * A second pipeline that reads a part of the first one's sources again, for one of its sinks. Its name, and with it its state
 * and the names of its transactions, are its own.
 */
export function replayDefinition(
  value: JsonObject,
  { name, sink, to, ranges, instead = (_id, given) => given }: ReplayAsk,
): JsonObject {
  const { was: _was, ...rest } = value
  const sinks = partsOf(value, 'sinks')
  const { kept, letters } = reachedFrom(value, sink)
  const target = sinks[sink] ?? {}
  const written = to === undefined ? target : { ...target, [targetOption(target)]: to }
  return {
    ...rest,
    name,
    sources: pick(value, 'sources', kept, (id, source) => ({ ...source, ...ranges.get(id) })),
    ...(value['transforms'] !== undefined && { transforms: pick(value, 'transforms', kept) }),
    sinks: {
      ...Object.fromEntries(letters.map((id) => [id, instead(id, sinks[id] ?? {})])),
      [sink]: instead(sink, written),
    },
  }
}

/** Sources and transforms whose rows come to a sink, and the sinks of their dead letters. */
export function reachedFrom(
  value: JsonObject,
  sink: string,
): { readonly kept: ReadonlySet<string>; readonly letters: readonly string[] } {
  const parts = { ...partsOf(value, 'sources'), ...partsOf(value, 'transforms'), ...partsOf(value, 'sinks') }
  const kept = new Set<string>()
  const letters = new Set<string>()
  const waiting = [sink]
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (kept.has(id)) continue
    kept.add(id)
    const part = parts[id] ?? {}
    for (const from of referencesIn(part)) waiting.push(from)
    const { deadLetter } = part
    if (isObject(deadLetter) && typeof deadLetter['to'] === 'string') letters.add(deadLetter['to'])
  }
  letters.delete(sink)
  return { kept, letters: [...letters] }
}

/** What a sink writes to, and the option that says it. */
export function targetOf(value: JsonObject, sink: string): { readonly option: string; readonly target: string } {
  const part = partsOf(value, 'sinks')[sink] ?? {}
  const option = targetOption(part)
  return { option, target: String(part[option]) }
}

function targetOption(sink: JsonObject): string {
  const connector = String(sink['connector'])
  const option = TARGETS[connector]
  if (option !== undefined && sink['routes'] === undefined) return option
  const what = sink['routes'] === undefined ? connector : `${connector} with routes`
  throw new MillraceError(`a replay cannot write to another target of a sink ${what}`, { code: 'CONFIG' })
}

/** Ids in `from`, also of several inputs; `id.output` is an output of `id`. */
function referencesIn(part: JsonObject): string[] {
  const from = [
    part['from'],
    ...Object.values(part).flatMap((one) => (isObject(one) ? [one['from'], one['left'], one['right']] : [])),
  ]
  return from
    .flatMap((one): unknown[] => (Array.isArray(one) ? one : [one]))
    .filter((one) => typeof one === 'string')
    .map((one) => one.split('.')[0] ?? '')
}

function pick(
  value: JsonObject,
  kind: string,
  kept: ReadonlySet<string>,
  change: (id: string, part: JsonObject) => JsonObject = (_id, part) => part,
): JsonObject {
  const parts = Object.entries(partsOf(value, kind)).filter(([id]) => kept.has(id))
  return Object.fromEntries(parts.map(([id, part]) => [id, change(id, part)]))
}

function partsOf(value: JsonObject, kind: string): Record<string, JsonObject> {
  const parts = value[kind]
  return isObject(parts) ? (parts as Record<string, JsonObject>) : {}
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
