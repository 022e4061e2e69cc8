import { createHash } from 'node:crypto'
import { assert } from '../../core/assert.ts'
import type { FileStore, StagedFile, Staging } from '../../core/file-store.ts'
import type { FilesPlace, FileState, Leftover, StagedWriter } from './files-place.ts'
import type { FilesCommittable } from './staging.ts'

/** Files of a store that lets them wait unseen under their final name, as object storage does. */
export class StoredFiles implements FilesPlace {
  readonly root: string
  readonly namePrefix: string
  readonly #open: () => Promise<FileStore>
  #store: Promise<FileStore> | undefined

  /** Two sinks may write below one prefix: each finds its own by the beginning of their names. */
  constructor(root: string, owner: { readonly job: string; readonly id: string }, open: () => Promise<FileStore>) {
    this.root = root
    this.namePrefix = `${createHash('sha256').update(`${owner.job}\n${owner.id}`).digest('hex').slice(0, 8)}-`
    this.#open = open
  }

  async stage(name: string): Promise<StagedWriter> {
    const writer = await (await this.#staging()).openWriter(name)
    return {
      get bytes() {
        return writer.bytes
      },
      write: (chunk) => writer.write(chunk),
      finish: async () => {
        const { path, token } = await writer.finish()
        return { staged: path, token }
      },
      discard: () => writer.discard(),
    }
  }

  async look(committable: FilesCommittable): Promise<FileState> {
    const found = await (await this.#staging()).look(stagedFile(committable))
    if (found === 'placed') return { state: 'committed' }
    if (found === 'waiting') return { state: 'committable' }
    return { state: 'unknown', reason: this.#why(committable, found) }
  }

  async place(committable: FilesCommittable): Promise<void> {
    await (await this.#staging()).place(stagedFile(committable))
  }

  async settle(): Promise<void> {}

  async drop(committable: FilesCommittable): Promise<void> {
    await (await this.#staging()).drop(stagedFile(committable))
  }

  async staged(): Promise<readonly Leftover[]> {
    const found = await Array.fromAsync((await this.#staging()).list(`part-${this.namePrefix}`))
    return found.map((one) => ({ name: one.path, drop: () => one.drop() }))
  }

  async placed(): Promise<readonly string[]> {
    const store = await this.#opened()
    return (await Array.fromAsync(store.list(`part-${this.namePrefix}`))).map(({ path }) => path)
  }

  #why({ name }: FilesCommittable, found: 'taken' | 'gone'): string {
    return found === 'taken'
      ? `another object called ${name} is in ${this.root}; who else writes there?`
      : `neither ${name} nor its parts are in ${this.root}: it was committed and taken away, or a rule of the bucket removed its parts`
  }

  async #staging(): Promise<Staging> {
    const { staging } = await this.#opened()
    assert(staging !== undefined, 'stores that are no directory let files wait')
    return staging
  }

  #opened(): Promise<FileStore> {
    this.#store ??= this.#open()
    return this.#store
  }
}

function stagedFile({ name, bytes, token }: FilesCommittable): StagedFile {
  assert(token !== undefined, 'a staged object names its upload')
  return { path: name, size: bytes, token }
}
