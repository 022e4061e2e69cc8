import { z } from 'zod'
import type { TableEvent } from './changes.ts'

/**
 * What a sink does with a change of a source table:
 * - `evolve`: makes it in the target; what the target cannot follow halts the pipeline;
 * - `try-evolve`: makes it in the target; what the target cannot follow is left out, with a warning;
 * - `lenient`: only what loses nothing: new columns are added, dropped ones stay (and hold NULL from then on), a renamed
 *   one is added under its new name, types become wider; nothing is emptied;
 * - `ignore`: leaves the target as it is; columns that it does not have are not written;
 * - `fail`: halts the pipeline, before any row of the new shape.
 */
export type SchemaPolicy = 'evolve' | 'try-evolve' | 'lenient' | 'ignore' | 'fail'

export type ChangeKind = Exclude<TableEvent['kind'], 'create'>

export type SchemaPolicies = SchemaPolicy | Readonly<Partial<Record<ChangeKind, SchemaPolicy>>>

const POLICIES = ['evolve', 'try-evolve', 'lenient', 'ignore', 'fail'] as const

const KINDS = [
  'add-columns',
  'drop-columns',
  'rename-column',
  'alter-columns',
  'alter-key',
  'truncate',
  'drop',
] as const satisfies readonly ChangeKind[]

/** The option `schemaChange` of sinks that take rows of several tables. */
export function schemaChangeOption(): z.ZodType<SchemaPolicies> {
  const policy = z.enum(POLICIES)
  return z
    .union([policy, z.partialRecord(z.enum(KINDS), policy)])
    .default('lenient')
    .describe(
      'What to do when a table of the source changes: evolve, try-evolve, lenient, ignore or fail; or one of these for each ' +
        `kind of change (${KINDS.join(', ')}), where the others are lenient.`,
    )
    .meta({ examples: ['evolve', { truncate: 'evolve', 'drop-columns': 'ignore' }] })
}

export function policyFor(policies: SchemaPolicies, kind: ChangeKind): SchemaPolicy {
  return typeof policies === 'string' ? policies : (policies[kind] ?? 'lenient')
}
