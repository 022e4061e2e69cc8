import { createHash } from 'node:crypto'
import type { PostgresCdcOptions } from './options.ts'

const NAME_MAX = 63

export interface Names {
  readonly slot: string
  readonly publication: string
  /** As `pg_stat_activity` shows our connections: whoever has the same name belongs to the same source of a pipeline. */
  readonly application: string
}

export function namesOf(
  options: Pick<PostgresCdcOptions, 'slot' | 'publication'>,
  { job, id }: { readonly job: string; readonly id: string },
): Names {
  const slot = options.slot ?? slotName(`millrace_${job}_${id}`)
  return { slot, publication: options.publication ?? slot, application: `millrace ${slot}`.slice(0, NAME_MAX) }
}

/** Slots have lower-case letters, digits and underscores; what has to be changed for it gets a mark of the original. */
function slotName(wanted: string): string {
  const plain = wanted.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')
  if (plain === wanted && plain.length <= NAME_MAX) return plain
  const mark = createHash('sha256').update(wanted).digest('hex').slice(0, 8)
  return `${plain.slice(0, NAME_MAX - mark.length - 1)}_${mark}`
}
