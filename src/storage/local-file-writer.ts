import { MillraceError } from '../core/errors.ts'
import type { FileEntry, FileWriter } from '../core/file-store.ts'
import type { DiskFile } from './disk.ts'

/** What a writer needs of its store. */
export interface WriterPort {
  failed(doing: string, thrown: unknown): MillraceError
  sync(): Promise<void>
  publish(): Promise<'created' | 'exists'>
  sizeThere(): Promise<number | undefined>
  drop(): Promise<void>
}

/**
 * A temporary file that becomes visible at `finish`:
 *
 *   open ──finish──► finished        open ──abort──► aborted        open ──any error──► broken (only abort is left)
 */
export class LocalFileWriter implements FileWriter {
  readonly #path: string
  readonly #file: DiskFile
  readonly #port: WriterPort
  #state: 'open' | 'finished' | 'aborted' | 'broken' = 'open'
  #bytes = 0

  constructor(path: string, file: DiskFile, port: WriterPort) {
    this.#path = path
    this.#file = file
    this.#port = port
  }

  get bytes(): number {
    return this.#bytes
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#mustBeOpen('writing to')
    await this.#orBreak('writing', () => this.#file.write(chunk))
    this.#bytes += chunk.byteLength
  }

  async finish(): Promise<FileEntry> {
    const entry = { path: this.#path, size: this.#bytes }
    if (this.#state === 'finished') return entry
    this.#mustBeOpen('finishing')
    await this.#orBreak('finishing', async () => {
      await this.#port.sync()
      await this.#file.close()
      if ((await this.#port.publish()) === 'exists') await this.#mustBeTheSame()
    })
    this.#state = 'finished'
    await this.#port.drop()
    return entry
  }

  async abort(): Promise<void> {
    if (this.#state === 'finished' || this.#state === 'aborted') return
    this.#state = 'aborted'
    await this.#file.close().catch(() => undefined)
    await this.#port.drop()
  }

  async #mustBeTheSame(): Promise<void> {
    const there = await this.#port.sizeThere()
    if (there === this.#bytes) return
    throw new MillraceError(
      `finishing ${this.#path}: a file of another size is there (${there} bytes, ours has ${this.#bytes}); ` +
        'find out who else writes to this directory',
      { code: 'STORE_IO', retry: 'halt' },
    )
  }

  #mustBeOpen(doing: string): void {
    if (this.#state === 'open') return
    throw new MillraceError(`${doing} ${this.#path}: the writer is ${this.#state}`, { code: 'INTERNAL' })
  }

  async #orBreak(doing: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (thrown) {
      this.#state = 'broken'
      throw this.#port.failed(doing, thrown)
    }
  }
}
