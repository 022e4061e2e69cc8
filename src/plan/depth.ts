import type { Finding } from '../core/checkpoint-types.ts'
import type { Draft, DraftTransform } from './check-definition.ts'
import { lateOf, type Graph } from './graph.ts'
import { joinRests } from './join.ts'
import { configError } from './parsed-file.ts'

/**
 * How many times the rows of a port have been brought together by key. A stage is cut when the barriers of all lanes have
 * come, so what flows together has to come from the same depth; and event time is known of splits, so only in front of
 * the first one.
 */
export function depthFindings(draft: Draft, { transforms }: Graph): Finding[] {
  const depths = new Map<string, number>(draft.sources.map(({ id }) => [id, 0]))
  const findings: Finding[] = []
  for (const transform of transforms) {
    const at = ['transforms', transform.id]
    findings.push(...mixedFindings(transform.from, depths, at))
    const depth = Math.max(0, ...transform.from.map((name) => depths.get(name) ?? 0))
    const isKeyed = ['aggregate', 'deduplicate', 'join'].includes(transform.kind)
    for (const { name, rest } of joinRests(transform)) depths.set(name, rest.startsWith('late') ? depth : depth + 1)
    if (transform.kind === 'route') {
      for (const branch of [...Object.keys(transform.route), 'default']) depths.set(`${transform.id}.${branch}`, depth)
    }
    depths.set(transform.id, isKeyed ? depth + 1 : depth)
    depths.set(lateOf(transform.id), depth)
    if (depth > 0 && hasEventTime(transform)) {
      const hint = 'give the windows to the first one; behind it, aggregate without event time'
      const message = 'event time is not known behind an `aggregate`, `deduplicate` or `join`'
      findings.push(configError(message, [...at, transform.kind, 'watermark'], hint))
    }
  }
  for (const sink of draft.sinks) findings.push(...mixedFindings(sink.from, depths, ['sinks', sink.id]))
  return findings
}

function mixedFindings(from: readonly string[], depths: ReadonlyMap<string, number>, at: readonly string[]): Finding[] {
  const [first = '', ...others] = from.filter((name) => depths.has(name))
  const other = others.find((name) => depths.get(name) !== depths.get(first))
  if (other === undefined) return []
  const message = `${JSON.stringify(first)} and ${JSON.stringify(other)} do not flow together: keys were brought together in one of them`
  return [configError(message, [...at, 'from'], 'read each of them by itself')]
}

function hasEventTime(transform: DraftTransform): boolean {
  if (transform.kind === 'aggregate') return transform.aggregate.watermark !== undefined
  if (transform.kind === 'join') return true
  return transform.kind === 'deduplicate' && transform.deduplicate.watermark !== undefined
}
