import { createHash } from 'node:crypto'
import type { JsonObject } from '../core/json.ts'

/** Options that say where a sink writes. The same words mean the same in every connector. */
const TARGETS: readonly string[] = [
  'topic',
  'path',
  'database',
  'schema',
  'namespace',
  'table',
  'tables',
  'project',
  'logstore',
]

export interface Identity {
  readonly name: string
  readonly sources: readonly { readonly id: string; readonly connector: string }[]
  readonly sinks: readonly { readonly id: string; readonly connector: string; readonly options: JsonObject }[]
}

/**
 * Hash over what restored positions and pending committables depend on: the sources that own positions, and the sinks
 * with their targets. SQL, schemas, tuning and secrets may change between runs; topics may too, because a position
 * belongs to a split, which names its topic.
 */
export function fingerprint(identity: Identity): string {
  const sources = identity.sources.map(({ id, connector }) => [id, connector])
  const sinks = identity.sinks.map(({ id, connector, options }) => [id, connector, targets(options)])
  const text = JSON.stringify({
    version: 1,
    name: identity.name,
    sources: sources.toSorted(byText),
    sinks: sinks.toSorted(byText),
  })
  return createHash('sha256').update(text).digest('hex')
}

function targets(options: JsonObject): unknown[] {
  return TARGETS.filter((name) => Object.hasOwn(options, name)).map((name) => [name, options[name]])
}

function byText(left: unknown, right: unknown): number {
  return JSON.stringify(left) < JSON.stringify(right) ? -1 : 1
}
