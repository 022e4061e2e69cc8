import { abortUpload, beginUpload, PARTS_MAX, uploadPart, type Bucket, type UploadHandle } from '../clients/s3/index.ts'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import { PartBuffer } from './part-buffer.ts'

/** Parts of all files of a thread that are on their way at the same time; each is in memory until it has arrived. */
const PARTS_AT_ONCE = 4
/** Whoever throws a file away may be on its way out, and the server away: what stays is found by a sweep. */
const ABORT_MS = 1000
let places = PARTS_AT_ONCE
const waiting: (() => void)[] = []

/** Cuts the bytes of one object into parts and sends them while the next ones are gathered. Nothing becomes visible. */
export class PartSender {
  readonly #bucket: Bucket
  readonly #key: string
  readonly #buffer = new PartBuffer()
  readonly #sending = new Set<Promise<void>>()
  readonly #etags: string[] = []
  #upload: Promise<UploadHandle> | undefined
  #parts = 0
  #bytes = 0
  readonly #giveUp = new AbortController()
  #failure: MillraceError | undefined

  constructor(bucket: Bucket, key: string) {
    this.#bucket = bucket
    this.#key = key
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Everything, while it is so little that no part was sent. */
  get unsent(): Uint8Array | undefined {
    return this.#parts === 0 ? this.#buffer.bytes : undefined
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.throwFailure()
    this.#bytes += chunk.byteLength
    for (let rest = chunk; rest.byteLength > 0;) {
      rest = rest.subarray(this.#buffer.append(rest))
      if (this.#buffer.isFull) await this.#sendPart()
    }
  }

  /** Sends what is left. What comes back completes the object. */
  async finish(): Promise<{ readonly upload: UploadHandle; readonly etags: readonly string[] }> {
    if (this.#buffer.bytes.byteLength > 0) await this.#sendPart()
    await Promise.all(this.#sending)
    this.throwFailure()
    return { upload: await this.#begun(), etags: this.#etags }
  }

  /** Frees memory, and throws away the parts that were sent. */
  async abort(): Promise<void> {
    this.#giveUp.abort()
    this.release()
    await Promise.allSettled(this.#sending)
    const upload = await this.#upload?.catch(() => undefined)
    // Parts that stay cost money and are seen by nobody; a rule of the bucket may remove them.
    if (upload !== undefined)
      await abortUpload(this.#bucket, upload, AbortSignal.timeout(ABORT_MS)).catch(() => undefined)
  }

  release(): void {
    this.#buffer.release()
  }

  /** A part that could not be sent is told at the next call. */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Sends the gathered part while the next one is gathered; waits while too many of this thread are on their way. */
  async #sendPart(): Promise<void> {
    if (this.#parts === PARTS_MAX) {
      throw new MillraceError(`${this.#bucket.addressOf(this.#key)} has more parts than S3 takes; end files sooner`, {
        code: 'STORE_IO',
      })
    }
    const part = this.#parts++
    const taken = this.#buffer.take()
    await takePlace()
    if (this.#giveUp.signal.aborted) {
      taken.release()
      leavePlace()
      throw new MillraceError('writing a file: it was given up', { code: 'INTERRUPTED', retry: 'restart' })
    }
    const sent = this.#begun()
      .then(async (upload) => {
        this.#etags[part] = await uploadPart(this.#bucket, upload, part + 1, taken.bytes, this.#giveUp.signal)
      })
      .catch((thrown: unknown) => {
        this.#failure ??= toMillraceError(thrown)
      })
      .finally(() => {
        taken.release()
        leavePlace()
        this.#sending.delete(sent)
      })
    this.#sending.add(sent)
    this.throwFailure()
  }

  #begun(): Promise<UploadHandle> {
    this.#upload ??= beginUpload(this.#bucket, this.#key, this.#giveUp.signal)
    return this.#upload
  }
}

async function takePlace(): Promise<void> {
  if (places > 0) places -= 1
  else await new Promise<void>((resolve) => waiting.push(resolve))
}

/** Hands the place on to who waits longest. */
function leavePlace(): void {
  const next = waiting.shift()
  if (next === undefined) places += 1
  else next()
}
