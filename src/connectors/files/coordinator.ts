import { readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type {
  CommitOutcome,
  CommitPermit,
  Evidence,
  RunEpoch,
  SweepReport,
  SweepScope,
} from '../../core/checkpoint-types.ts'
import type { CoordinatorContext } from '../../core/context.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../core/sink.ts'
import { syncDirectory } from './staged-file.ts'
import {
  epochOfStaged,
  filesCommittable,
  stagingDirectory,
  systemCodeOf,
  writeError,
  type FilesCommittable,
} from './staging.ts'

/** Renames staged files to their final names, and removes what no manifest keeps. */
export class FilesCoordinator implements SinkCoordinator {
  readonly #root: string
  readonly #staging: string

  constructor(path: string, context: CoordinatorContext) {
    this.#root = resolve(context.baseDirectory, path)
    this.#staging = stagingDirectory(context.job, context.id)
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
      const found = await this.#look(committable)
      if (found.state === 'committed') {
        // Whoever renamed it may have died before the name was durable.
        await syncDirectory(this.#root)
        return { outcome: 'already-committed' }
      }
      if (found.state === 'unknown') return { outcome: 'unknown', reason: found.reason }
      await rename(join(this.#root, committable.staged), join(this.#root, committable.name))
      failpoint('commit', 'sent')
      await syncDirectory(this.#root)
      await syncDirectory(dirname(join(this.#root, committable.staged)))
      return { outcome: 'committed' }
    } catch (thrown) {
      // Also when another process, which rightly commits the same checkpoint, was faster: the next look tells.
      return { outcome: 'retry', reason: writeError(`renaming to ${committable.name}`, thrown).message }
    }
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    return await Promise.all(
      committables.map(async (json): Promise<Evidence> => {
        try {
          return await this.#look(filesCommittable(json))
        } catch (thrown) {
          return { state: 'unknown', reason: writeError('looking at files', thrown).message }
        }
      }),
    )
  }

  async abort(json: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    const committable = filesCommittable(json)
    const found = await this.#look(committable)
    if (found.state !== 'committable') return found.state
    await rm(join(this.#root, committable.staged))
    await syncDirectory(dirname(join(this.#root, committable.staged)))
    return 'aborted'
  }

  async sweep(scope: SweepScope): Promise<SweepReport> {
    const keep = new Set(scope.keep.map((json) => basename(filesCommittable(json).staged)))
    const names = await this.#names(this.#staging)
    const aborted: string[] = []
    for (const name of names) {
      const epoch = epochOfStaged(name)
      if (epoch === undefined || epoch >= scope.below || keep.has(name)) continue
      await rm(join(this.#root, this.#staging, name)).catch((thrown: unknown) => {
        if (systemCodeOf(thrown) !== 'ENOENT') throw writeError(`removing the staged file ${name}`, thrown)
      })
      aborted.push(name)
    }
    return { aborted, found: names.length }
  }

  /** Committed files do not name their pipeline, so nobody else may write to this directory: their names would meet. */
  async findTraces(own: RunEpoch): Promise<readonly string[]> {
    const committed = (await this.#names('.')).filter((name) => epochOfStaged(name) !== undefined)
    const staged = (await this.#names(this.#staging)).filter((name) => (epochOfStaged(name) ?? -1) >= own)
    return [...committed, ...staged]
  }

  async fingerprint(): Promise<JsonObject> {
    return { path: this.#root }
  }

  async close(): Promise<void> {}

  /**
   * A staged file that is there was never committed. One that is gone was committed when the final name has its size;
   * otherwise somebody else took away one of them, and nobody can tell which.
   */
  async #look({
    staged,
    name,
    bytes,
  }: FilesCommittable): Promise<Extract<Evidence, { state: 'committed' | 'committable' | 'unknown' }>> {
    const [waiting, placed] = [await this.#sizeOf(staged), await this.#sizeOf(name)]
    if (waiting === undefined && placed === bytes) return { state: 'committed' }
    const unknown = (reason: string): { state: 'unknown'; reason: string } => ({ state: 'unknown', reason })
    if (waiting === undefined) {
      return unknown(
        placed === undefined
          ? `neither ${name} nor its staged file is in ${this.#root}: it was committed and taken away, or never committed`
          : `${name} has ${placed} bytes, we wrote ${bytes}`,
      )
    }
    if (placed !== undefined) return unknown(`another file called ${name} is in ${this.#root}; who else writes there?`)
    if (waiting !== bytes) return unknown(`the staged file of ${name} has ${waiting} bytes, we wrote ${bytes}`)
    return { state: 'committable' }
  }

  async #names(directory: string): Promise<readonly string[]> {
    return await readdir(join(this.#root, directory)).catch((thrown: unknown) => {
      if (systemCodeOf(thrown) === 'ENOENT') return []
      throw writeError(`listing ${directory} in ${this.#root}`, thrown)
    })
  }

  async #sizeOf(path: string): Promise<number | undefined> {
    try {
      return (await stat(join(this.#root, path))).size
    } catch (thrown) {
      if (systemCodeOf(thrown) === 'ENOENT') return undefined
      throw thrown
    }
  }
}
