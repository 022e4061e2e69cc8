import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import { isLoopback } from '../../core/host-address.ts'
import type { Secret } from '../../core/secret.ts'
import { addressGuard } from './addresses.ts'
import type { KafkaApi } from './api.ts'
import { apiVersions } from './apis/cluster.ts'
import { FrameAssembler, type Allocate } from './frames.ts'
import { kafkaError } from './kafka-errors.ts'
import { authenticate, type SaslMechanism, type SaslOptions } from './sasl.ts'
import { RequestWriter, ResponseReader } from './wire.ts'

export interface TlsOptions {
  /** PEM text of the authorities to trust instead of the system's. */
  readonly ca?: string
  /** PEM text of the client certificate and its key, for mutual TLS. */
  readonly cert?: string
  readonly key?: Secret
  /** Name to verify and to send as SNI instead of the host. */
  readonly serverName?: string
  /** Accepts any certificate. Whoever sits between can then read and change everything. */
  readonly insecureSkipVerify?: boolean
}

export interface ConnectionOptions {
  readonly clientId: string
  readonly tls?: TlsOptions
  readonly sasl?: SaslOptions
  /** Allows SASL PLAIN, which sends the password as it is, without TLS to a host that is not loopback. */
  readonly allowPlaintext: boolean
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  /** Larger responses are refused: a damaged length must not become an allocation. */
  readonly responseBytesMax: number
}

export interface CallOptions {
  readonly timeoutMs?: number
  /** Memory for the response, for callers that recycle it; views of the response live in it. */
  readonly allocate?: Allocate
}

interface Pending {
  readonly name: string
  readonly allocate: Allocate
  readonly timer: NodeJS.Timeout
  resolve(frame: Buffer): void
  reject(error: MillraceError): void
}

/**
 * One connection to one broker. Requests may overlap: Kafka answers them in order. When the connection breaks every
 * open call fails with `UNAVAILABLE` and the connection is not used again (`isOpen`); whoever holds it opens a new one.
 */
export class BrokerConnection implements AsyncDisposable {
  readonly address: string
  readonly #options: ConnectionOptions
  readonly #pending = new Map<number, Pending>()
  readonly #frames: FrameAssembler
  readonly #versions = new Map<number, readonly [min: number, max: number]>()
  #socket: Socket | undefined
  #correlationId = 0
  #failure: MillraceError | undefined

  /** Connects, authenticates and asks for the API versions. */
  static async open(host: string, port: number, options: ConnectionOptions): Promise<BrokerConnection> {
    const connection = new BrokerConnection(`${host}:${port}`, options)
    try {
      await connection.#connect(host, port)
      await connection.#learnVersions()
      if (options.sasl !== undefined) await connection.#authenticate(options.sasl)
      return connection
    } catch (error) {
      connection.#fail(toMillraceError(error))
      throw error
    }
  }

  private constructor(address: string, options: ConnectionOptions) {
    this.address = address
    this.#options = options
    this.#frames = new FrameAssembler({
      frameBytesMax: options.responseBytesMax,
      allocate: (id, size) => this.#pending.get(id)?.allocate(size) ?? Buffer.allocUnsafe(size),
      onFrame: (id, frame) => this.#settle(id, frame),
    })
  }

  get isOpen(): boolean {
    return this.#failure === undefined
  }

  /** Sends one request and reads its response. Fails with `UNAVAILABLE` when the connection breaks or time runs out. */
  async call<Request, Response>(
    api: KafkaApi<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    this.#assertSupported(api)
    const frame = await this.#exchange(api, request, options)
    const reader = new ResponseReader(frame, 4)
    if (api.header === undefined) reader.tags()
    return api.read(reader, request)
  }

  close(): void {
    this.#fail(
      new MillraceError(`connection to Kafka broker ${this.address} was closed`, {
        code: 'UNAVAILABLE',
        retry: 'retry',
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  #exchange<Request, Response>(
    api: KafkaApi<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    if (this.#failure !== undefined) {
      reject(this.#failure)
      return promise
    }
    const id = (this.#correlationId = (this.#correlationId + 1) & 0x7fffffff)
    const writer = new RequestWriter()
      .int32(0)
      .int16(api.key)
      .int16(api.version)
      .int32(id)
      .legacyString(this.#options.clientId)
    if (api.header !== 'legacy') writer.tags()
    api.write(writer, request)
    const parts = writer.finish()
    parts[0].writeInt32BE(
      parts.reduce((sum, { length }) => sum + length, -4),
      0,
    )
    const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs
    // An answer that does not come leaves the order of answers unknown to us: the connection is given up as a whole.
    const timer = setTimeout(
      () => this.#fail(unavailable(`${api.name} to ${this.address}: no answer within ${timeoutMs} ms`)),
      timeoutMs,
    )
    this.#pending.set(id, { name: api.name, allocate: options.allocate ?? Buffer.allocUnsafe, timer, resolve, reject })
    this.#socket?.cork()
    for (const part of parts) this.#socket?.write(part)
    this.#socket?.uncork()
    return promise
  }

  #settle(id: number, frame: Buffer): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return this.#fail(unavailable(`${this.address} answered a request that was not sent`))
    this.#pending.delete(id)
    clearTimeout(pending.timer)
    pending.resolve(frame)
  }

  #connect(host: string, port: number): Promise<void> {
    addressGuard.assertAllowed(host)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { tls, connectTimeoutMs } = this.#options
    const target: TcpNetConnectOpts = { host, port, lookup: addressGuard.lookup, noDelay: true }
    const socket =
      tls === undefined
        ? connectTcp({
            ...target,
            onread: { buffer: () => this.#frames.space(), callback: (count) => this.#received(count) },
          })
        : connectTls({ ...target, ...tlsSettings(tls, host) })
    this.#socket = socket
    const doing = `connecting to Kafka broker ${this.address}${tls === undefined ? '' : ' with TLS'}`
    const timer = setTimeout(
      () => socket.destroy(unavailable(`${doing}: no answer within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    )
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer)
      resolve()
    })
    if (tls !== undefined) socket.on('data', (chunk: Buffer) => this.#guard(() => this.#frames.push(chunk)))
    socket.on('error', (error) => {
      const typed = error instanceof MillraceError ? error : networkError(doing, error)
      reject(typed)
      this.#fail(typed)
    })
    socket.once('close', () => {
      clearTimeout(timer)
      const typed = unavailable(`Kafka broker ${this.address} closed the connection`)
      reject(typed)
      this.#fail(typed)
    })
    return promise
  }

  #received(count: number): boolean {
    this.#guard(() => this.#frames.received(count))
    return true
  }

  #guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#fail(toMillraceError(error))
    }
  }

  async #learnVersions(): Promise<void> {
    const answer = await this.call(apiVersions, undefined)
    if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, `asking ${this.address} for its API versions`)
    for (const { key, min, max } of answer.ranges) this.#versions.set(key, [min, max])
  }

  async #authenticate(sasl: SaslOptions): Promise<void> {
    assertPasswordIsSafe(sasl.mechanism, this.#socket?.remoteAddress ?? '', this.#options)
    const lifetimeMs = await authenticate(this, sasl)
    if (lifetimeMs === 0) return
    // Half of the session is a safe time to log in again (KIP-368); the broker answers in order, so calls go on meanwhile.
    const timer = setTimeout(
      () => {
        if (this.isOpen) this.#authenticate(sasl).catch((error: unknown) => this.#fail(toMillraceError(error)))
      },
      Math.min(lifetimeMs / 2, 0x7fffffff),
    )
    timer.unref()
    this.#socket?.once('close', () => clearTimeout(timer))
  }

  #assertSupported(api: KafkaApi<never, unknown>): void {
    // Before the versions are known only ApiVersions itself is sent.
    const range = this.#versions.get(api.key)
    if (this.#versions.size === 0 || (range !== undefined && range[0] <= api.version && api.version <= range[1])) return
    const offered = range === undefined ? 'does not offer it' : `offers ${range[0]} to ${range[1]}`
    const message = `Kafka broker ${this.address} is too old or too new: ${api.name} version ${api.version} is needed, it ${offered}. Kafka 3.1 or later works`
    throw new MillraceError(message, { code: 'CONFIG' })
  }

  #fail(error: MillraceError): void {
    this.#failure ??= error
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer)
      pending.reject(this.#failure)
    }
    this.#pending.clear()
    this.#socket?.destroy()
  }
}

/** PLAIN sends the password as it is, and OAUTHBEARER the token: only over TLS, to this machine, or when it is asked for. */
export function assertPasswordIsSafe(
  mechanism: SaslMechanism,
  remoteAddress: string,
  options: Pick<ConnectionOptions, 'tls' | 'allowPlaintext'>,
): void {
  const isOpen = mechanism === 'PLAIN' || mechanism === 'OAUTHBEARER'
  if (!isOpen || options.tls !== undefined || options.allowPlaintext) return
  if (isLoopback(remoteAddress)) return
  const what = mechanism === 'PLAIN' ? 'password' : 'token'
  const message = `SASL ${mechanism} would send the ${what} to ${remoteAddress} unencrypted: use TLS or SCRAM, or set allowPlaintext`
  throw new MillraceError(message, { code: 'CONFIG' })
}

function tlsSettings(tls: TlsOptions, host: string): object {
  const name = tls.serverName ?? (isIP(host) === 0 ? host : undefined)
  return {
    rejectUnauthorized: tls.insecureSkipVerify !== true,
    ...(name === undefined ? {} : { servername: name }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key.reveal() }),
  }
}

function unavailable(message: string): MillraceError {
  return new MillraceError(message, { code: 'UNAVAILABLE', retry: 'retry' })
}

/** A certificate that does not verify stays wrong however often we try; everything else of the network may pass. */
function networkError(doing: string, error: Error): MillraceError {
  const code = 'code' in error ? String(error.code) : ''
  const isCertificate = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code)
  const message = `${doing}: ${error.message}`
  return new MillraceError(message, {
    code: isCertificate ? 'AUTH' : 'UNAVAILABLE',
    retry: isCertificate ? 'halt' : 'retry',
    cause: error,
  })
}
