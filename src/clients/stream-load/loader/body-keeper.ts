import { createHash, type Hash } from 'node:crypto'
import { assert } from '../../../core/assert.ts'
import type { LaneContext, OpenStaging } from '../../../core/context.ts'
import { toMillraceError, type MillraceError } from '../../../core/errors.ts'
import type { FileStore, FileWriter } from '../../../core/file-store.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { HeaderFields } from '../header-safety.ts'
import type { LoadStream } from '../outcomes.ts'

/** One request body, exactly as it went over the wire. */
export type KeptBody = { readonly path: string; readonly bytes: number; readonly sha256: string }

/** What a committable says about the rows that were kept: enough to send the same requests again. */
export type KeptLoad = JsonObject & { readonly headers: HeaderFields; readonly bodies: readonly KeptBody[] }

/**
 * Copies the request bodies of one writer's work into the checkpoint storage while they are sent. A body is kept when its
 * copy is durable, which is before anything is prepared with it.
 */
export class BodyKeeper {
  readonly #open: OpenStaging
  readonly #headers: HeaderFields
  #store: Promise<FileStore> | undefined
  readonly #copies: BodyCopy[] = []

  constructor(open: OpenStaging, headers: HeaderFields) {
    this.#open = open
    this.#headers = headers
  }

  /** The same load, whose `end` waits for the copy, and fails where the copy did. */
  async keep<Outcome>(stream: LoadStream<Outcome>, name: string): Promise<LoadStream<Outcome>> {
    try {
      const store = await (this.#store ??= this.#open())
      const copy = new BodyCopy(name, await store.openWriter(name))
      this.#copies.push(copy)
      return copied(stream, copy)
    } catch (error) {
      stream.destroy()
      throw error
    }
  }

  /** Of all bodies since the last call. */
  take(): KeptLoad {
    const bodies = this.#copies.splice(0).map((copy) => copy.kept())
    return { headers: this.#headers, bodies }
  }

  /** Throws away what no committable speaks of. */
  async discard(): Promise<void> {
    const store = await this.#store
    for (const copy of this.#copies.splice(0)) {
      await copy.abort()
      await store?.remove(copy.path)
    }
  }
}

/** One file under way. Pieces are written in the order in which they came, whoever waits for which. */
class BodyCopy {
  readonly path: string
  readonly #writer: FileWriter
  readonly #hash: Hash = createHash('sha256')
  #turn: Promise<unknown> = Promise.resolve()
  #failed: MillraceError | undefined

  constructor(path: string, writer: FileWriter) {
    this.path = path
    this.#writer = writer
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      this.#hash.update(chunk)
      await this.#writer.write(chunk)
    })
  }

  /** Throws what went wrong with any piece: a write may have been given up by then. */
  finish(): Promise<void> {
    return this.#inTurn(async () => void (await this.#writer.finish()))
  }

  async abort(): Promise<void> {
    await this.#turn
    await this.#writer.abort()
  }

  kept(): KeptBody {
    return { path: this.path, bytes: this.#writer.bytes, sha256: this.#hash.digest('hex') }
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(async () => {
      if (this.#failed !== undefined) throw this.#failed
      await act()
    })
    this.#turn = turn.catch((error: unknown) => (this.#failed ??= toMillraceError(error)))
    return turn
  }
}

function copied<Outcome>(stream: LoadStream<Outcome>, copy: BodyCopy): LoadStream<Outcome> {
  return {
    label: stream.label,
    outcome: stream.outcome,
    // Both have to be through with the buffer, also when one of them fails.
    write: async (chunk) => allDone([stream.write(chunk), copy.write(chunk)]),
    end: async () => {
      const outcome = stream.end()
      await copy.finish()
      return outcome
    },
    destroy: () => {
      stream.destroy()
      void copy.abort().catch(() => undefined)
    },
  }
}

async function allDone(works: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) if (result.status === 'rejected') throw result.reason
}

/** For one writer and checkpoint; `undefined` where the sink keeps nothing, or commits before anything is published. */
export function keeperOf(
  { durableStaging }: { readonly durableStaging: boolean },
  { openStaging, delivery }: Pick<LaneContext, 'openStaging' | 'delivery'>,
  headers: HeaderFields,
): BodyKeeper | undefined {
  if (!durableStaging || delivery === 'at-least-once') return undefined
  assert(openStaging !== undefined, 'the engine says where rows are kept')
  return new BodyKeeper(openStaging, headers)
}
