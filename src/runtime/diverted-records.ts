import type { RecordRange } from '../checkpoint/bisect.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import type { MillraceError } from '../core/errors.ts'
import type { Plan } from '../plan/plan.ts'
import { rowBefore } from '../transforms/record-place.ts'
import type { SplitAssignment } from '../core/source.ts'
import type { DivertedRecord, Diversions } from './diverter.ts'

const REASON_LENGTH = 500

/**
 * Refused records that were found since the last published checkpoint. They are known by their numbers behind it, so they
 * count only as long as the lanes begin there: after a restart, or behind a later checkpoint, they are found again.
 */
export class DivertedRecords {
  readonly #plan: Plan
  #base: CheckpointId = 0
  #records: (DivertedRecord & { readonly source: string; readonly split: string })[] = []

  constructor(plan: Plan) {
    this.#plan = plan
  }

  /** A refusal whose record may be put aside, once it is found. */
  takes({ code, detail }: MillraceError): boolean {
    const part = detail['part']
    const route = typeof part === 'string' ? this.#plan.deadLetters?.[part] : undefined
    if (code !== 'POISON' || route === undefined) return false
    // Each is looked for by itself: there is no need to find more than there may be.
    return this.#records.filter((one) => one.part === part).length <= (route.maxRows ?? Number.POSITIVE_INFINITY)
  }

  /** What lanes that begin behind checkpoint `base` put aside at once. */
  behind(base: CheckpointId): Diversions {
    if (base !== this.#base) this.#records = []
    this.#base = base
    const bySource = Map.groupBy(this.#records, ({ source }) => source)
    return Object.fromEntries(
      [...bySource].map(([source, records]) => [source, Object.fromEntries(bySplit(records))] as const),
    )
  }

  /** Takes a record that was found among those that the lanes handed on without the ones known before. */
  add({ source, split, from }: RecordRange, refusal: MillraceError): void {
    const gone = this.#records.filter((one) => one.source === source && one.split === split).map(({ record }) => record)
    const record = rowBefore(from, gone)
    const { code, message, detail } = refusal
    this.#records.push({
      source,
      split,
      record,
      part: String(detail['part']),
      code,
      reason: message.slice(0, REASON_LENGTH),
    })
    this.#records.sort((left, right) => left.record - right.record)
  }
}

/** Splits of which records are put aside as they are read: where each of them begins has to be known. */
export function tracedWhere(
  divert: Diversions,
  assignments: Readonly<Record<string, readonly SplitAssignment[]>>,
): Record<string, readonly SplitAssignment[]> {
  const traced = Object.entries(assignments).map(([source, splits]) => {
    const isTraced = (split: string): boolean => divert[source]?.[split] !== undefined
    return [source, splits.map((one) => (isTraced(one.split) ? { ...one, isTraced: true } : one))] as const
  })
  return Object.fromEntries(traced)
}

function bySplit<T extends { readonly split: string }>(records: readonly T[]): Map<string, T[]> {
  return Map.groupBy(records, ({ split }) => split)
}
