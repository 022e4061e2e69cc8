import assert from 'node:assert/strict'
import type { Bucket, Patience } from '../clients/s3/index.ts'
import { MillraceError } from '../core/errors.ts'
import type { S3Options } from '../core/options.ts'
import { S3FaultProxy, type Fault, type Harm, type SeenRequest } from './s3-fault-proxy.ts'

export const isPut = ({ method }: SeenRequest): boolean => method === 'PUT'
export const isGet = ({ method }: SeenRequest): boolean => method === 'GET'
export const isAny = (): boolean => true

/** The error that a request ends with. */
export async function caught(work: Promise<unknown>): Promise<MillraceError> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof MillraceError, String(thrown))
  return thrown
}

/** What stands behind the proxy, and how it is spoken to. */
export interface TroubledServer {
  readonly bucket: {
    through(endpoint: string, patience?: Partial<Patience>, settings?: S3Options): Bucket
  }
  readonly endpoint: string
  readonly settings?: (endpoint: string) => S3Options
}

/** A bucket behind a proxy that does harm, and a client of little patience. */
export class Trouble implements AsyncDisposable {
  readonly proxy: S3FaultProxy
  readonly bucket: Bucket

  private constructor(proxy: S3FaultProxy, bucket: Bucket) {
    this.proxy = proxy
    this.bucket = bucket
  }

  static async with(server: TroubledServer, match: Fault['match'], harm: Harm, times = 1): Promise<Trouble> {
    const proxy = await S3FaultProxy.open(server.endpoint)
    proxy.harm({ match, harm, times })
    const { endpoint } = proxy
    const patience = { baseMs: 500, retryMs: 3000 }
    return new Trouble(proxy, server.bucket.through(endpoint, patience, server.settings?.(endpoint)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]()
  }
}
