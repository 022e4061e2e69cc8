import type { SplitId, SplitPosition } from '../../core/batch.ts'
import type { SourceContext } from '../../core/context.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import type { SplitAssignment, SplitEnumerator } from '../../core/source.ts'
import type { StripePlan, TableMetadata } from '../../clients/iceberg/index.ts'
import type { IcebergSourceOptions } from './options.ts'
import { chosenSnapshot } from './read-schema.ts'
import { lost, snapshotGone, snapshotsBehind, type SnapshotPlans } from './snapshot-plans.ts'
import { stripePosition, stripeSpec, type StripePosition, type StripeSpec } from './split.ts'

/** More than the lanes of any machine, and few enough for every manifest. */
const STRIPES = 32

/** Deals the table out to stripes once, at the very first start; the readers do the rest. */
export class IcebergEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs: undefined
  readonly #options: IcebergSourceOptions
  readonly #context: SourceContext
  readonly #plans: SnapshotPlans

  constructor(options: IcebergSourceOptions, context: SourceContext, plans: SnapshotPlans) {
    this.#options = options
    this.#context = context
    this.#plans = plans
  }

  async verify(restored: readonly SplitAssignment[]): Promise<void> {
    if (restored.length === 0) return
    const { metadata } = await this.#plans.table()
    const failed: MillraceError[] = []
    for (const { split, spec, at } of restored) {
      await this.#verifyOne(stripeSpec(spec), stripePosition(at), metadata).catch((thrown: unknown) => {
        const { message, code, retry, detail } = toMillraceError(thrown)
        if (code !== 'POSITION_LOST') throw thrown
        failed.push(new MillraceError(message, { code, retry, detail: { ...detail, split }, cause: thrown }))
      })
    }
    const [first] = failed
    if (first === undefined) return
    // Stripes mostly stand in the same snapshot, and then say the same.
    const messages = new Set(failed.map(({ message }) => message))
    const detail = { ranges: failed.map((error) => error.detail) }
    throw new MillraceError([...messages].join('\n'), { code: first.code, retry: first.retry, detail, cause: first })
  }

  async discover(known: ReadonlySet<SplitId>, first: boolean): Promise<readonly SplitAssignment[]> {
    if (!first) return []
    const { follow, changes } = this.#options
    const { metadata } = await this.#plans.table()
    const snapshot = chosenSnapshot(this.#options, metadata)
    // Changes have an order, which only one reader can keep.
    const stripes = changes === 'changes' ? 1 : STRIPES
    const plan = snapshot && (await this.#plans.plan({ snapshot: snapshot.id, rows: 'all' }, stripes))
    if (plan === undefined && !follow)
      this.#context.log.warn(`${this.#context.id}: ${metadata.location} has no snapshot`)
    const found: SplitAssignment[] = []
    for (let stripe = 0; stripe < stripes; stripe++) {
      const split = `stripe/${stripe}`
      const isEmpty = (plan?.stripes[stripe] ?? []).length === 0
      if (known.has(split) || (isEmpty && !follow)) continue
      const at: StripePosition =
        snapshot === undefined || plan === undefined
          ? { snapshot: null, done: true }
          : { snapshot: snapshot.id, rows: 'all', plan: plan.digest, piece: 0, row: 0 }
      const spec: StripeSpec = { stripe, stripes, table: metadata.uuid ?? null }
      found.push({ split, spec, at })
    }
    return found
  }

  async lag(positions: readonly SplitPosition[]): Promise<ReadonlyMap<SplitId, number>> {
    const { metadata } = this.#options.follow ? await this.#plans.recent() : await this.#plans.table()
    const lags = new Map<SplitId, number>()
    for (const { split, next } of positions) {
      const stripe = Number(split.split('/')[1])
      const stripes = this.#options.changes === 'changes' ? 1 : STRIPES
      lags.set(split, await this.#lagOf(stripePosition(next), stripe, stripes, metadata))
    }
    return lags
  }

  async acknowledge(_positions: readonly SplitPosition[]): Promise<void> {}

  async close(): Promise<void> {}

  async #verifyOne(spec: StripeSpec, at: StripePosition, metadata: TableMetadata): Promise<void> {
    if (spec.table !== null && metadata.uuid !== undefined && spec.table !== metadata.uuid) {
      throw lost(metadata, at.snapshot, 'another table has this name now')
    }
    if ('done' in at) {
      if (this.#options.follow) snapshotsBehind(metadata, this.#options, at.snapshot)
      return
    }
    if (!metadata.snapshots.has(at.snapshot)) throw snapshotGone(metadata, at.snapshot)
    const plan = await this.#plans.plan(at, spec.stripes)
    if (plan.digest !== at.plan) {
      throw lost(metadata, at.snapshot, 'its files are planned otherwise now: was `where` changed?')
    }
  }

  async #lagOf(at: StripePosition, stripe: number, stripes: number, metadata: TableMetadata): Promise<number> {
    const own = 'done' in at ? 0 : rowsLeft(await this.#plans.plan(at, stripes), stripe, at.piece, at.row)
    if (!this.#options.follow) return own
    const later = snapshotsBehind(metadata, this.#options, at.snapshot)
    const rows = later.reduce((sum, { summary }) => sum + Number(summary['added-records'] ?? 0), 0)
    return own + Math.round(rows / stripes)
  }
}

function rowsLeft(plan: StripePlan, stripe: number, piece: number, row: number): number {
  const pieces = plan.stripes[stripe]?.slice(piece) ?? []
  const rows = pieces.map(({ task: { file }, start, end }) => file.records * ((end - start) / Math.max(1, file.size)))
  const before =
    pieces[0] === undefined ? 0 : (pieces[0].task.file.records * pieces[0].start) / pieces[0].task.file.size
  return Math.max(0, Math.round(rows.reduce((sum, part) => sum + part, 0) - Math.max(0, row - before)))
}
