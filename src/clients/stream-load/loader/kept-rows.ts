import { createHash } from 'node:crypto'
import { assert } from '../../../core/assert.ts'
import type { SweepScope } from '../../../core/checkpoint-types.ts'
import type { OpenStaging } from '../../../core/context.ts'
import { MillraceError } from '../../../core/errors.ts'
import type { FileStore } from '../../../core/file-store.ts'
import type { JsonObject } from '../../../core/json.ts'
import { labelOf, parseLabel, type LabelParts } from '../labels.ts'
import type { LoadStream } from '../outcomes.ts'
import type { KeptBody, KeptLoad } from './body-keeper.ts'

/** Read and sent at once. */
const PIECE_BYTES = 1024 * 1024

/** The coordinator's side of kept rows: what is there, sending it again, and throwing it away. */
export class KeptRows {
  readonly #open: OpenStaging
  #store: Promise<FileStore> | undefined

  constructor(open: OpenStaging) {
    this.#open = open
  }

  /** Whether everything that a committable needs to be loaded again is there. */
  async has(committable: JsonObject): Promise<boolean> {
    const kept = keptOf(committable)
    if (kept === undefined) return false
    const store = await this.#opened()
    const sizes = await Promise.all(kept.bodies.map(({ path }) => store.size(path)))
    return kept.bodies.every(({ bytes }, index) => sizes[index] === bytes)
  }

  /**
   * Sends a body again. Its end, which may prepare it, is not told before the hash is right.
   *
   * @throws MillraceError STORE_CORRUPT
   */
  async send<Outcome>({ path, bytes, sha256 }: KeptBody, stream: LoadStream<Outcome>): Promise<Outcome> {
    const store = await this.#opened()
    const hash = createHash('sha256')
    try {
      for (let at = 0; at < bytes; at += PIECE_BYTES) {
        const piece = await store.readRange(path, at, Math.min(at + PIECE_BYTES, bytes))
        if (piece === undefined || piece.byteLength === 0) break
        hash.update(piece)
        await stream.write(piece)
      }
      if (hash.digest('hex') !== sha256) throw damaged(`${store.root}/${path}`)
    } catch (error) {
      stream.destroy()
      throw error
    }
    return stream.end()
  }

  async forget(committables: readonly JsonObject[]): Promise<void> {
    const paths = committables.flatMap((committable) => keptOf(committable)?.bodies.map(({ path }) => path) ?? [])
    if (paths.length === 0) return
    const store = await this.#opened()
    await Promise.all(paths.map((path) => store.remove(path)))
  }

  /** Throws away what earlier epochs kept and nothing published needs. */
  async sweep({ below, keep }: Pick<SweepScope, 'below' | 'keep'>): Promise<void> {
    const needed = new Set(keep.flatMap((one) => keptOf(one)?.bodies.map(({ path }) => path) ?? []))
    const store = await this.#opened()
    for await (const { path } of store.list('')) {
      const label = parseLabel(path.replace(/\.\d+$/, ''))
      if (label !== undefined && label.epoch < below && !needed.has(path)) await store.remove(path)
    }
  }

  #opened(): Promise<FileStore> {
    return (this.#store ??= this.#open())
  }
}

export function keptOf(committable: JsonObject): KeptLoad | undefined {
  return committable['kept'] as KeptLoad | undefined
}

/** Where body number `index` of a transaction is kept. */
export function keptName(label: string, index: number): string {
  return `${label}.${index}`
}

/** The label under which an epoch loads the rows of a lost transaction again: the next attempt, in a name of its own. */
export function labelOfReload(
  base: Pick<LabelParts, 'prefix' | 'jobUid' | 'sink' | 'table'>,
  lost: string,
  own: number,
): string {
  const parts = parseLabel(lost)
  assert(parts !== undefined, `${lost} is a label of ours`)
  const { writer, checkpoint, attempt, load } = parts
  const numbers = { writer, checkpoint, epoch: own, attempt: attempt + 1 }
  return labelOf({ ...base, ...numbers, ...(load === undefined ? {} : { load }) })
}

function damaged(path: string): MillraceError {
  return new MillraceError(`${path}: the rows that were kept are damaged; they were not loaded`, {
    code: 'STORE_CORRUPT',
    detail: { path },
  })
}
