import { Bucket } from '../../clients/s3/bucket.ts'
import type { Attempt, S3Client, S3Request } from '../../clients/s3/s3-client.ts'
import type { CheckpointLog } from '../../storage/checkpoint-log.ts'
import { S3Log } from '../../storage/s3-log.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SimulatedProcess } from './process.ts'

type Reply = Extract<Attempt, { kind: 'answer' }>['reply']

interface StoredObject {
  readonly body: Buffer
  readonly nonce: string | undefined
}

const NONCE = 'x-amz-meta-millrace-nonce'
const BUCKET = 'state'
/** Of the checkpoint log. */
const PREFIX = 'job/'
const PAUSE_MS = 100
const RETRY_MS = 1200

/** What object storage holds, as every process sees it at the same moment. A conditional write is one step. */
export class ObjectStore {
  readonly #objects = new Map<string, StoredObject>()
  /** Told of every object that was made. */
  readonly #made: (key: string, body: Buffer) => void

  constructor(made: (key: string, body: Buffer) => void) {
    this.#made = made
  }

  answer({ method, key, query, headers = {}, body }: S3Request): Reply {
    if (method === 'GET' && key === '') return this.#list(query ?? {})
    if (method === 'POST') return this.#deleteAll(Buffer.from(body ?? []).toString())
    if (method === 'PUT') return this.#put(key, headers, Buffer.from(body ?? []))
    const found = this.#objects.get(key)
    if (found === undefined) return reply(404)
    const nonce = found.nonce === undefined ? {} : { [NONCE]: found.nonce }
    return { status: 200, headers: nonce, body: method === 'HEAD' ? Buffer.alloc(0) : found.body }
  }

  #put(key: string, headers: Readonly<Record<string, string>>, body: Buffer): Reply {
    if (headers['if-none-match'] === '*' && this.#objects.has(key)) return reply(412)
    this.#objects.set(key, { body, nonce: headers[NONCE] })
    this.#made(key, body)
    return reply(200)
  }

  #deleteAll(body: string): Reply {
    for (const [, key = ''] of body.matchAll(/<Key>([^<]*)<\/Key>/g)) this.#objects.delete(key)
    return reply(200, '<DeleteResult></DeleteResult>')
  }

  #list(query: NonNullable<S3Request['query']>): Reply {
    const { prefix = '', 'max-keys': size = '1000', 'continuation-token': after = '' } = query
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const page = keys.slice(0, Number(size))
    const contents = page.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('')
    const more = keys.length > page.length ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
    const text = `<ListBucketResult><IsTruncated>${keys.length > page.length}</IsTruncated>${more}${contents}</ListBucketResult>`
    return reply(200, text)
  }
}

/**
 * The real log in object storage, over a client whose requests go through the simulated network: they are lost, or their
 * answers are; while the store is busy it refuses them with 409 or 503, and nothing has landed then.
 */
export function bucketLog(process: SimulatedProcess, under = ''): CheckpointLog {
  return new S3Log(new Bucket(clientOf(process), BUCKET), PREFIX + under)
}

/** Whether an object is an entry of the log. */
export function isLogKey(key: string): boolean {
  return key.startsWith(`${PREFIX}log/`)
}

function clientOf(process: SimulatedProcess): S3Client {
  const { world, clock } = process
  const attempt = async (request: S3Request): Promise<Attempt> => {
    world.story.tell(process.name, 'store ', request.method)
    let isRefused = false
    try {
      const answer = await process.call(request.doing, () => {
        isRefused = world.isDiskFull && world.random.chance(0.7)
        return isRefused ? reply(409) : world.objects.answer(request)
      })
      if (!isRefused) return { kind: 'answer', reply: answer }
    } catch (error) {
      return { kind: 'again', error: error as MillraceError, mayHaveArrived: true, pauseMs: 0 }
    }
    const busy = new MillraceError(`${request.doing}: the store is busy`, { code: 'UNAVAILABLE', retry: 'restart' })
    return { kind: 'again', error: busy, mayHaveArrived: false, pauseMs: PAUSE_MS }
  }
  const retries: S3Client['retries'] = () => {
    const end = world.time.now + RETRY_MS
    return {
      pause: async ({ error }) => {
        if (world.time.now > end) throw error
        await clock.sleep(PAUSE_MS)
      },
    }
  }
  const client: Pick<S3Client, 'attempt' | 'retries' | 'send' | 'addressOf'> & { readonly endpoint: object } = {
    endpoint: { flavor: 'aws', origin: new URL('https://s3.invalid') },
    addressOf: (bucket, key) => `s3://${bucket}/${key}`,
    attempt,
    retries,
    send: async (request) => {
      const retry = retries()
      for (;;) {
        const tried = await attempt(request)
        if (tried.kind === 'answer') return tried.reply
        await retry.pause(tried)
      }
    },
  }
  return client as unknown as S3Client
}

function reply(status: number, text = ''): Reply {
  return { status, headers: {}, body: Buffer.from(text) }
}
