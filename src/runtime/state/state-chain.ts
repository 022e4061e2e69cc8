import { createHash } from 'node:crypto'
import { stateFilePath, type StateFile, type StatePart, type StepState } from '../../checkpoint/kept-state.ts'
import type { CheckpointId, RunEpoch } from '../../core/checkpoint-types.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { FileStore } from '../../core/file-store.ts'
import type { KeyedState, KeyGroups } from '../../transforms/operator.ts'

export interface StateChainOptions {
  readonly step: string
  readonly lane: number
  /** The key groups of this lane. */
  readonly groups: KeyGroups
  readonly state: KeyedState
  store(): Promise<FileStore>
}

/** Files of changes that may follow a whole one: a start reads all of them. */
const FILES_MAX = 24
/** So few changed rows are not worth writing everything again. */
const CHANGES_MIN = 20_000

/**
 * The state of one step in one lane as files: a whole one, then what changed with each checkpoint. When the changes are
 * half as many rows as there are, everything is written again, so that a row is written twice on average at most three times.
 */
export class StateChain {
  readonly #options: StateChainOptions
  #epoch: RunEpoch = 0
  #files: readonly StateFile[] = []
  /** The files hold rows of other lanes too: they were written by another number of lanes. */
  #isForeign = false

  constructor(options: StateChainOptions) {
    this.#options = options
  }

  /** Makes the state what the checkpoint holds of our key groups. What is written later belongs to `epoch`. */
  async restore(epoch: RunEpoch, from: StepState | undefined): Promise<void> {
    const { state, groups } = this.#options
    this.#epoch = epoch
    const parts = (from?.parts ?? []).filter((part) => part.groups[0] < groups[1] && groups[0] < part.groups[1])
    const [only] = parts
    const isOwn = (part: StatePart): boolean => part.groups[0] === groups[0] && part.groups[1] === groups[1]
    const isSame = parts.length === 0 || (parts.length === 1 && only !== undefined && isOwn(only))
    await state.clear()
    for (const part of parts) {
      for (const file of part.files) await state.load(await this.#read(file), isOwn(part) ? undefined : groups)
    }
    this.#files = isSame ? (only?.files ?? []) : []
    this.#isForeign = !isSame
  }

  /** Right after the operator was cut. The promise that the returned function gives resolves when all is durable. */
  async save(checkpoint: CheckpointId, isEnd: boolean): Promise<() => Promise<StatePart>> {
    const { state, step, lane, groups } = this.#options
    const isAll = isEnd || this.#isForeign || this.#isWorthAll()
    const isEmpty = isAll && state.rows === 0
    const saved = isEmpty ? undefined : await state.save(isAll)
    this.#isForeign = false
    const before = isAll ? [] : this.#files
    if (saved === undefined) {
      this.#files = before
      const part: StatePart = { groups, files: before }
      return async () => part
    }
    const file: StateFile = {
      path: stateFilePath(this.#epoch, checkpoint, step, lane),
      bytes: saved.bytes.length,
      rows: saved.rows,
      sha256: sha256(saved.bytes),
    }
    this.#files = [...before, file]
    const part: StatePart = { groups, files: this.#files }
    const writing = this.#write(file.path, saved.bytes)
    writing.catch(() => undefined)
    return async () => {
      await writing
      return part
    }
  }

  #isWorthAll(): boolean {
    const [whole, ...changes] = this.#files
    if (whole === undefined || changes.length >= FILES_MAX) return true
    const changed = changes.reduce((sum, { rows }) => sum + rows, 0)
    return changed > Math.max(CHANGES_MIN, this.#options.state.rows / 2)
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const store = await this.#options.store()
    failpoint('store.blob', 'before')
    const outcome = await store.create(path, bytes)
    failpoint('store.blob', 'after')
    if (outcome === 'created') return
    const found = await store.read(path)
    if (found !== undefined && sha256(found) === sha256(bytes)) return
    throw damaged(`${store.root}/${path}`, 'is there already, with other content')
  }

  async #read({ path, bytes, sha256: hash }: StateFile): Promise<Uint8Array> {
    const store = await this.#options.store()
    const found = await store.read(path)
    if (found === undefined) throw damaged(`${store.root}/${path}`, 'is missing')
    if (found.length !== bytes || sha256(found) !== hash) throw damaged(`${store.root}/${path}`, 'has other content')
    return found
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function damaged(path: string, why: string): MillraceError {
  return new MillraceError(
    `the state file ${path}, which the last checkpoint names, ${why}: put it back, or go back with \`millrace rollback\``,
    { code: 'STORE_CORRUPT', detail: { path } },
  )
}
