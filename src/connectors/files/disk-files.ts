import { readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FilesPlace, FileState, Leftover, StagedWriter } from './files-place.ts'
import { StagedFile, syncDirectory } from './staged-file.ts'
import { stagingDirectory, systemCodeOf, writeError, type FilesCommittable } from './staging.ts'

/** Files in a directory. Staged ones are in a hidden directory below it, and placing them is a rename. */
export class DiskFiles implements FilesPlace {
  readonly root: string
  readonly namePrefix = ''
  readonly #staging: string

  constructor(root: string, owner: { readonly job: string; readonly id: string }) {
    this.root = root
    this.#staging = stagingDirectory(owner.job, owner.id)
  }

  async stage(name: string): Promise<StagedWriter> {
    const staged = `${this.#staging}/${name}`
    const file = await StagedFile.create(join(this.root, staged))
    return {
      get bytes() {
        return file.bytes
      },
      write: (chunk) => file.write(chunk),
      finish: async () => {
        await file.finish()
        return { staged }
      },
      discard: () => file.discard(),
    }
  }

  /**
   * A staged file that is there was never committed. One that is gone was committed when the final name has its size;
   * otherwise somebody else took away one of them, and nobody can tell which.
   */
  async look({ staged, name, bytes }: FilesCommittable): Promise<FileState> {
    const [waiting, placed] = [await this.#sizeOf(staged), await this.#sizeOf(name)]
    if (waiting === undefined && placed === bytes) return { state: 'committed' }
    const unknown = (reason: string): FileState => ({ state: 'unknown', reason })
    if (waiting === undefined) {
      return unknown(
        placed === undefined
          ? `neither ${name} nor its staged file is in ${this.root}: it was committed and taken away, or never committed`
          : `${name} has ${placed} bytes, we wrote ${bytes}`,
      )
    }
    if (placed !== undefined) return unknown(`another file called ${name} is in ${this.root}; who else writes there?`)
    if (waiting !== bytes) return unknown(`the staged file of ${name} has ${waiting} bytes, we wrote ${bytes}`)
    return { state: 'committable' }
  }

  async place({ staged, name }: FilesCommittable): Promise<void> {
    await rename(join(this.root, staged), join(this.root, name))
  }

  async settle(): Promise<void> {
    await syncDirectory(this.root)
    await syncDirectory(join(this.root, this.#staging)).catch((thrown: unknown) => {
      if (systemCodeOf(thrown) !== 'ENOENT') throw thrown
    })
  }

  async drop({ staged }: FilesCommittable): Promise<void> {
    await rm(join(this.root, staged))
    await syncDirectory(dirname(join(this.root, staged)))
  }

  async staged(): Promise<readonly Leftover[]> {
    const names = await this.#names(this.#staging)
    return names.map((name) => ({
      name,
      drop: () =>
        rm(join(this.root, this.#staging, name)).catch((thrown: unknown) => {
          if (systemCodeOf(thrown) !== 'ENOENT') throw writeError(`removing the staged file ${name}`, thrown)
        }),
    }))
  }

  placed(): Promise<readonly string[]> {
    return this.#names('.')
  }

  async #names(directory: string): Promise<readonly string[]> {
    return await readdir(join(this.root, directory)).catch((thrown: unknown) => {
      if (systemCodeOf(thrown) === 'ENOENT') return []
      throw writeError(`listing ${directory} in ${this.root}`, thrown)
    })
  }

  async #sizeOf(path: string): Promise<number | undefined> {
    try {
      return (await stat(join(this.root, path))).size
    } catch (thrown) {
      if (systemCodeOf(thrown) === 'ENOENT') return undefined
      throw thrown
    }
  }
}
