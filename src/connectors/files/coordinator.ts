import { basename } from 'node:path'
import type {
  CommitOutcome,
  CommitPermit,
  Evidence,
  RunEpoch,
  SweepReport,
  SweepScope,
} from '../../core/checkpoint-types.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../core/sink.ts'
import type { FilesPlace } from './files-place.ts'
import { epochOfStaged, filesCommittable, writeError } from './staging.ts'

/** Gives staged files their final names, and removes what no manifest keeps. */
export class FilesCoordinator implements SinkCoordinator {
  readonly #place: FilesPlace

  constructor(place: FilesPlace) {
    this.#place = place
  }

  async begin(checkpoint: number, epoch: number): Promise<JsonObject> {
    return { epoch, checkpoint }
  }

  async combine(_checkpoint: number, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    return parts.map((part) => {
      const committable = filesCommittable(part)
      return { orderKey: committable.name, rows: committable.rows, committable }
    })
  }

  async commit(_permit: CommitPermit, json: JsonObject): Promise<CommitOutcome> {
    const committable = filesCommittable(json)
    try {
      const found = await this.#place.look(committable)
      if (found.state === 'committed') {
        await this.#place.settle()
        return { outcome: 'already-committed' }
      }
      if (found.state === 'unknown') return { outcome: 'unknown', reason: found.reason }
      await this.#place.place(committable)
      failpoint('commit', 'sent')
      await this.#place.settle()
      const after = await this.#place.look(committable)
      if (after.state === 'committed') return { outcome: 'committed' }
      return { outcome: 'retry', reason: after.state === 'unknown' ? after.reason : `${committable.name} still waits` }
    } catch (thrown) {
      // Also when another process, which rightly commits the same checkpoint, was faster: the next look tells.
      return { outcome: 'retry', reason: writeError(`giving ${committable.name} its name`, thrown).message }
    }
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    return await Promise.all(
      committables.map(async (json): Promise<Evidence> => {
        try {
          return await this.#place.look(filesCommittable(json))
        } catch (thrown) {
          return { state: 'unknown', reason: writeError('looking at files', thrown).message }
        }
      }),
    )
  }

  async abort(json: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    const committable = filesCommittable(json)
    const found = await this.#place.look(committable)
    if (found.state !== 'committable') return found.state
    await this.#place.drop(committable)
    return 'aborted'
  }

  async sweep(scope: SweepScope): Promise<SweepReport> {
    const keep = new Set(scope.keep.map((json) => basename(filesCommittable(json).staged)))
    const staged = await this.#place.staged()
    const aborted: string[] = []
    for (const { name, drop } of staged) {
      const epoch = epochOfStaged(name)
      if (epoch === undefined || epoch >= scope.below || keep.has(name)) continue
      await drop()
      aborted.push(name)
    }
    return { aborted, found: staged.length }
  }

  /** Committed files do not name their pipeline, so nobody else may write to this directory: their names would meet. */
  async findTraces(own: RunEpoch): Promise<readonly string[]> {
    const committed = (await this.#place.placed()).filter((name) => epochOfStaged(name) !== undefined)
    const staged = (await this.#place.staged()).filter(({ name }) => (epochOfStaged(name) ?? -1) >= own)
    return [...committed, ...staged.map(({ name }) => name)]
  }

  async fingerprint(): Promise<JsonObject> {
    return { path: this.#place.root }
  }

  async close(): Promise<void> {}
}
