import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sign } from '../clients/s3/sign.ts'
import { Secret } from '../core/secret.ts'

export interface OssStandInOptions {
  /** An S3 server that takes buckets as host names below `localhost`. */
  readonly target: string
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** The buckets have versions, or once had: then OSS does not look at its header. */
  readonly isVersioned?: boolean
}

/**
 * Answers as the S3 interface of Alibaba OSS is documented to, out of an S3 server behind it: a conditional write has the
 * header `x-oss-forbid-overwrite`, which is refused with 409 `FileAlreadyExists`; `If-None-Match` is no condition; and
 * the bucket stands in the name of the host.
 *
 * @see https://www.alibabacloud.com/help/en/oss/developer-reference/putobject
 * @see https://www.alibabacloud.com/help/en/oss/user-guide/0042-00000214
 * @see https://www.alibabacloud.com/help/en/oss/developer-reference/use-amazon-s3-sdks-to-access-oss
 */
export class OssStandIn implements AsyncDisposable {
  readonly #server: Server
  readonly #options: OssStandInOptions
  readonly #agent = new Agent({ keepAlive: true })

  private constructor(options: OssStandInOptions) {
    this.#options = options
    this.#server = createServer((incoming, outgoing) => {
      this.#answer(incoming).then(
        ({ status, headers, body }) => outgoing.writeHead(status, headers).end(body),
        () => outgoing.destroy(),
      )
    })
  }

  static async open(options: OssStandInOptions): Promise<OssStandIn> {
    const standIn = new OssStandIn(options)
    await new Promise<void>((resolve) => standIn.#server.listen(0, '127.0.0.1', () => resolve()))
    return standIn
  }

  get endpoint(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(incoming: IncomingMessage): Promise<Answer> {
    const { method = 'GET', url = '/', headers } = incoming
    const body = Buffer.concat(await Array.fromAsync(incoming as AsyncIterable<Buffer>))
    if (!/^[^.]+\.localhost(:|$)/.test(headers.host ?? '')) return refusal(403, 'SecondLevelDomainForbidden')
    const isForbidden = headers['x-oss-forbid-overwrite'] === 'true' && this.#options.isVersioned !== true
    if (!isForbidden && headers['if-none-match'] === undefined && headers['x-oss-forbid-overwrite'] === undefined) {
      return await this.#forward(method, url, headers, body)
    }
    // What the condition is called is part of the signature.
    const kept = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-')) as [string, string][]
    const meant = { ...Object.fromEntries(kept), ...(isForbidden && { 'if-none-match': '*' }) }
    const { accessKeyId, secretAccessKey } = this.#options.keys
    const signed = await sign(
      { method, url: new URL(url, `http://${headers.host}`), headers: meant, body },
      { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
      { region: 'us-east-1', now: Date.now() },
    )
    const answer = await this.#forward(method, url, { ...signed, host: headers.host }, body)
    return answer.status === 412 ? refusal(409, 'FileAlreadyExists') : answer
  }

  #forward(method: string, url: string, headers: IncomingMessage['headers'], body: Buffer): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const length = { 'content-length': String(body.byteLength) }
    const options = { method, headers: { ...headers, ...length }, agent: this.#agent }
    const sent = httpRequest(new URL(url, this.#options.target), options, (response) => {
      Array.fromAsync(response as AsyncIterable<Buffer>).then((chunks) => {
        const { 'transfer-encoding': _, ...rest } = response.headers
        resolve({ status: response.statusCode ?? 0, headers: rest, body: Buffer.concat(chunks) })
      }, reject)
    })
    sent.on('error', reject)
    sent.end(body)
    return promise
  }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

function refusal(status: number, code: string): Answer {
  const body = Buffer.from(`<Error><Code>${code}</Code><Message>as OSS says it</Message></Error>`)
  return { status, headers: { 'content-type': 'application/xml' }, body }
}
