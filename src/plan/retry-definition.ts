import type { Json, JsonObject } from '../core/json.ts'

export interface RetryAsk {
  /** Names the job, and with it its state and its transactions. */
  readonly name: string
  /** Tells the files of this job from those of others. */
  readonly mark: string
  /** What is read in place of each source: options of the connector `file`, with its columns. */
  readonly sources: ReadonlyMap<string, JsonObject>
}

/**
 * The pipeline once more, with dead letters in place of what their source reads: the same transforms, the same sinks, and
 * the same way for those that fail again.
 */
export function retryDefinition(value: JsonObject, ask: RetryAsk): JsonObject {
  const { was: _was, parallelism: _lanes, ...rest } = value
  return {
    ...rest,
    name: ask.name,
    parallelism: 1,
    sources: mapParts(value, 'sources', (id, source) => ({
      ...ask.sources.get(id),
      connector: 'file',
      ...(source['deadLetter'] !== undefined && { deadLetter: withoutBudget(source['deadLetter']) }),
    })),
    ...(value['transforms'] !== undefined && {
      transforms: mapParts(value, 'transforms', (_id, part) => unlimited(part)),
    }),
    sinks: mapParts(value, 'sinks', (_id, sink) => unlimited(ownPlace(sink, ask.mark))),
  }
}

function unlimited(part: JsonObject): JsonObject {
  const { deadLetter } = part
  return deadLetter === undefined ? part : { ...part, deadLetter: withoutBudget(deadLetter) }
}

/** Whoever drives dead letters in again has seen how many they are. */
function withoutBudget(deadLetter: Json): Json {
  return { to: objectOf(deadLetter)['to'] ?? '', maxRatio: 1 }
}

/** Two jobs never write under the same names. */
function ownPlace(sink: JsonObject, mark: string): JsonObject {
  const { connector, path, transactionalIdPrefix: prefix } = sink
  if (connector === 'files' && typeof path === 'string' && !path.startsWith('s3://')) {
    return { ...sink, path: `${path.replace(/\/+$/, '')}/retry-${mark}` }
  }
  return typeof prefix === 'string' ? { ...sink, transactionalIdPrefix: `${prefix}-retry-${mark}` } : sink
}

function mapParts(
  value: JsonObject,
  section: string,
  change: (id: string, part: JsonObject) => JsonObject,
): JsonObject {
  const parts = Object.entries(objectOf(value[section] ?? {}))
  return Object.fromEntries(parts.map(([id, part]) => [id, change(id, objectOf(part ?? {}))]))
}

function objectOf(value: Json): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}
