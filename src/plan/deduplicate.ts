import type { Finding } from '../core/checkpoint-types.ts'
import type { Schema } from '../core/schema.ts'
import type { DeduplicateWork } from '../dataplane/deduplicate-work.ts'
import { hashOf, keyColumns, planTime } from './aggregate.ts'
import type { DeduplicateOptions } from './keyed-definition.ts'

const MICROS_PER_MS = 1000

/** Checks a `deduplicate` against the columns that it reads, and plans it. */
export function planDeduplicate(
  id: string,
  options: DeduplicateOptions,
  input: Schema,
): DeduplicateWork | readonly Finding[] {
  const at = ['transforms', id, 'deduplicate']
  const findings: Finding[] = []
  const key = keyColumns(options.key, input, [...at, 'key'], findings)
  const time = planTime(options.watermark, input, [...at, 'watermark'], findings)
  if (findings.length > 0) return findings
  return {
    id,
    input,
    key: key.map(({ name }) => name),
    ...(time && { time }),
    ttl: options.ttl * MICROS_PER_MS,
    definition: hashOf({ version: 1, key, time: time?.column }),
  }
}
