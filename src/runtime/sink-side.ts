import { isDeepStrictEqual } from 'node:util'
import type { Examined } from '../checkpoint/decision-case.ts'
import type { CheckpointId, PendingCommittable, RunEpoch, SweepScope } from '../core/checkpoint-types.ts'
import type { Clock, Logger } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'
import { failpoint } from '../core/failpoints.ts'
import type { JsonObject } from '../core/json.ts'
import type { SinkCoordinator } from '../core/sink.ts'
import type { Plan, SinkStep } from '../plan/plan.ts'
import { storeOpener } from '../storage/open-store.ts'
import { stagingAddressOf } from '../storage/state-place.ts'
import { openSink, type ConnectorModules } from './connectors.ts'
import type { Tickets } from './messages.ts'

/** The coordinator's side of all sinks: tickets before the rows, committables before publishing, clean-up. */
export class SinkSide {
  readonly coordinators: ReadonlyMap<string, SinkCoordinator>
  readonly #log: Logger

  private constructor(coordinators: ReadonlyMap<string, SinkCoordinator>, log: Logger) {
    this.coordinators = coordinators
    this.#log = log
  }

  static async open(plan: Plan, modules: ConnectorModules, clock: Clock, log: Logger): Promise<SinkSide> {
    const steps = plan.steps.filter((step): step is SinkStep => step.kind === 'sink')
    const opened = await Promise.all(
      steps.map(async (step): Promise<[string, SinkCoordinator]> => {
        const sink = await openSink(modules, step.connector, step.options)
        const coordinator = sink.coordinator({
          job: plan.name,
          id: step.id,
          baseDirectory: plan.baseDirectory,
          log,
          clock,
          times: plan.times,
          schema: step.schema,
          lanes: plan.parallelism,
          delivery: plan.mode,
          openStore: storeOpener(plan.s3),
          openStaging: () => storeOpener(plan.s3)(stagingAddressOf(plan, step.id)),
        })
        return [step.id, coordinator]
      }),
    )
    return new SinkSide(new Map(opened), log)
  }

  /** Refuses to go on into another table under the same name. */
  async verify(recorded: Readonly<Record<string, JsonObject>>): Promise<Record<string, JsonObject>> {
    const now = await this.#each((sink) => sink.fingerprint())
    for (const [id, fingerprint] of Object.entries(now)) {
      const before = recorded[id]
      if (before === undefined || isDeepStrictEqual({ ...before }, { ...fingerprint })) continue
      throw new MillraceError(
        `the target of the sink "${id}" is not the one that the last checkpoint wrote to: ` +
          `${JSON.stringify(before)} became ${JSON.stringify(fingerprint)}`,
        { code: 'SCHEMA', detail: { sink: id } },
      )
    }
    return now
  }

  /**
   * What the sinks that remember their commits say about confirmed work; the others are believed. Changes nothing.
   */
  async examineConfirmed(confirmed: readonly PendingCommittable[]): Promise<Examined[]> {
    return Promise.all(
      confirmed.map(async (item): Promise<Examined> => {
        const sink = this.coordinators.get(item.sink)
        const [evidence] = sink?.remembersCommits === true ? await sink.evidence([item.committable]) : []
        return { item, evidence: evidence?.state === 'lost' ? evidence : { state: 'committed' } }
      }),
    )
  }

  begin(checkpoint: CheckpointId, epoch: RunEpoch): Promise<Tickets> {
    return this.#each((sink) => sink.begin(checkpoint, epoch))
  }

  /** Parts of all lanes, by sink, as what the manifest carries. */
  async combine(
    checkpoint: CheckpointId,
    epoch: RunEpoch,
    parts: Readonly<Record<string, readonly JsonObject[]>>,
  ): Promise<PendingCommittable[]> {
    const combined = await Promise.all(
      [...this.coordinators].map(async ([sink, coordinator]) => {
        const globals = await coordinator.combine(checkpoint, parts[sink] ?? [])
        return globals.map((global) => ({ sink, checkpoint, epoch, ...global }))
      }),
    )
    return combined.flat()
  }

  /** What the targets hold of a life of this pipeline that the log does not know; sinks without any are left out. */
  async findTraces(own: RunEpoch, known: CheckpointId): Promise<Record<string, readonly string[]>> {
    const found = await this.#each(async (sink) =>
      known === 0 || sink.remembersCommits === true ? sink.findTraces(own, known) : [],
    )
    return Object.fromEntries(Object.entries(found).filter(([, names]) => names.length > 0))
  }

  /** R6: what earlier runs left open or prepared and no manifest owns. */
  async sweep(scope: SweepScope, keepOf: (sink: string) => readonly JsonObject[]): Promise<void> {
    if (scope.runs.length === 0) return
    failpoint('restore.abort', 'before')
    const reports = await this.#each(async (sink, id) => {
      const unconfirmed = (scope.unconfirmed ?? []).filter((work) => work.sink === id)
      const report = await sink.sweep({ ...scope, keep: keepOf(id), unconfirmed })
      return { aborted: report.aborted, found: report.found }
    })
    for (const [id, report] of Object.entries(reports)) {
      if (report.aborted.length > 0) {
        this.#log.info(`swept ${report.aborted.length} leftovers of earlier runs from ${id}`, { names: report.aborted })
      }
    }
    failpoint('restore.abort', 'after')
  }

  /** What was kept of these may go. Never rejects: what stays is found by the next sweep. */
  async forget(items: readonly PendingCommittable[]): Promise<void> {
    for (const [id, own] of Map.groupBy(items, (item) => item.sink)) {
      try {
        await this.coordinators.get(id)?.forget?.(own.map((item) => item.committable))
      } catch (error) {
        this.#log.debug(`throwing away kept rows of ${id}: ${(error as Error).message}`)
      }
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.coordinators.values()].map((sink) => sink.close()))
  }

  async #each<T>(act: (sink: SinkCoordinator, id: string) => Promise<T>): Promise<Record<string, T>> {
    const results = await Promise.all(
      [...this.coordinators].map(async ([id, sink]) => [id, await act(sink, id)] as const),
    )
    return Object.fromEntries(results)
  }
}
