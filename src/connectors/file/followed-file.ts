import { stat } from 'node:fs/promises'
import type { Batch, Idle, SplitEnd } from '../../core/batch.ts'
import { lost, readError } from './identity.ts'
import { diskIdentity } from './split.ts'
import type { SplitCursor } from './split-cursor.ts'

/** Between two looks at a file at its end; longer when there are many, so that looking stays cheap. */
const LOOK_MS = 100

/** Files that are kept open at their end; more than these are opened again for every look. */
const OPEN_FILES_MAX = 256

/**
 * A file that may grow:
 *
 *   reading ──end──► waiting ──larger──► reading
 *                       ├─ removed ──► ends: what was read is all there ever was
 *                       ├─ smaller ──► POSITION_AHEAD
 *                       └─ another file under the name, renamed ──► POSITION_LOST
 */
export class FollowedFile {
  readonly #cursor: SplitCursor
  readonly #follow: boolean
  #state: 'reading' | 'waiting' | 'removed' = 'reading'
  #lookAgainAt = 0

  constructor(cursor: SplitCursor, follow: boolean) {
    this.#cursor = cursor
    this.#follow = follow
  }

  async next(now: number, files: number): Promise<Batch | SplitEnd | Idle | undefined> {
    if (this.#state === 'waiting') {
      if (now < this.#lookAgainAt) return undefined
      this.#lookAgainAt = now + Math.max(LOOK_MS, files)
      if (!(await this.#hasMore())) return undefined
    }
    const item = await this.#cursor.next()
    if (item !== undefined || !this.#follow) return item
    if (files > OPEN_FILES_MAX) await this.#cursor.close()
    this.#state = 'waiting'
    return { kind: 'idle', split: this.#cursor.split }
  }

  async close(): Promise<void> {
    await this.#cursor.close()
  }

  async #hasMore(): Promise<boolean> {
    const { path, identity } = this.#cursor.spec
    const found = await stat(path, { bigint: true }).catch((thrown: unknown) => {
      const error = readError(path, thrown)
      if (error.code === 'POSITION_LOST') return undefined
      throw error
    })
    if (found === undefined) return await this.#isGone(path)
    const size = Number(found.size)
    if (String(found.ino) !== diskIdentity(identity).inode) {
      throw lost(path, 'another file stands under this name; followed files must keep their names')
    }
    if (size < this.#cursor.bytesRead) {
      throw lost(path, `it was truncated to ${size} bytes, we have read ${this.#cursor.bytesRead}`, 'POSITION_AHEAD')
    }
    if (size > this.#cursor.bytesRead) this.#state = 'reading'
    return size > this.#cursor.bytesRead
  }

  /** Our open descriptor still shows a removed file whole: its end is the end of the split. */
  async #isGone(path: string): Promise<boolean> {
    const links = await this.#cursor.links()
    if (links === undefined) throw lost(path, 'it was removed while it was not open')
    if (links > 0) throw lost(path, 'it was renamed; followed files must keep their names')
    this.#cursor.endWhereItEnds()
    this.#state = 'removed'
    return true
  }
}
