import { assert } from '../../core/assert.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import { authorityOf, type Target } from './address.ts'
import { type AskFrontend, type BackendDirectory, BackendList } from './backend-list.ts'
import { BodyStream, type LoadBody } from './body-stream.ts'
import type { Connection, Exchange } from './connection.ts'
import { ConnectionPool } from './connection-pool.ts'
import type { CheckedEndpoint } from './endpoint.ts'
import { type HeaderFields, headerLines } from './header-safety.ts'
import { decideRedirect, leadsHome, redirectDenied } from './redirect-policy.ts'
import type { HttpReply } from './reply-parser.ts'
import { resolveTarget, type ResolvedTarget, type Resolver, systemResolver } from './resolve.ts'
import { mayHaveArrived, wireError, type WirePhase, within } from './wire-error.ts'

export interface LoadRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** Path and query, percent-encoded. */
  readonly path: string
  readonly headers: HeaderFields
  /** Whether sending it twice does no harm: then a lost reply is answered by asking the next FE. */
  readonly isRepeatable: boolean
  /** The doing words of error messages: `committing label x`. */
  readonly doing: string
}

/** A request that has reached the server that will answer it. */
interface Arrival {
  readonly target: ResolvedTarget
  readonly connection: Connection
  readonly exchange: Exchange
  /** Set when the server gave its final reply instead of `100 Continue`. */
  readonly reply?: HttpReply
}

/**
 * HTTP/1.1 for loads: keep-alive connections, `Expect: 100-continue`, redirects followed by hand after a check, several
 * FEs. Headers with credentials go to one checked server after another; the body goes only to the last of them.
 *
 *   FE ── head ──► 307 ─► allowed? ─► resolve ─► forbidden? ── head ──► BE ─► 100 Continue ── body ──► reply
 *                           │ unlisted: ask the FE for its backends     └──► early reply: no body is sent
 *                           └ REDIRECT_DENIED: nothing was sent there
 */
export class StreamLoadHttp {
  readonly #endpoint: CheckedEndpoint
  readonly #pool: ConnectionPool
  readonly #resolver: Resolver
  readonly #backends: BackendList
  #preferred = 0

  constructor(endpoint: CheckedEndpoint, directory: BackendDirectory, resolver: Resolver = systemResolver) {
    this.#endpoint = endpoint
    this.#pool = new ConnectionPool(endpoint)
    this.#resolver = resolver
    this.#backends = new BackendList(directory)
  }

  /**
   * A call without a body. Returns whatever the last server answered.
   *
   * @throws MillraceError UNAVAILABLE (see `mayHaveArrived`), REDIRECT_DENIED or CONFIG.
   */
  call(request: LoadRequest): Promise<HttpReply> {
    return this.#overFrontends(request, async (frontend) => {
      const { target, connection, reply } = await this.#arrive(frontend, request, false)
      assert(reply !== undefined, 'a call without a body ends with a reply')
      this.#pool.give(target, connection, reply.keepAlive)
      return reply
    })
  }

  /** Opens a load. Resolves when the server asks for the body, or when it gave its final reply without asking. */
  open(request: LoadRequest): Promise<LoadBody> {
    return this.#overFrontends(request, async (frontend) => {
      const { target, connection, exchange, reply } = await this.#arrive(frontend, request, true)
      // A body was announced and not sent, so after an early reply nothing else may follow on the connection.
      if (reply !== undefined) this.#pool.give(target, connection, false)
      return new BodyStream({
        connection,
        exchange,
        earlyReply: reply,
        timeouts: this.#endpoint.timeouts,
        doing: request.doing,
        release: (isReusable) => this.#pool.give(target, connection, isReusable),
      })
    })
  }

  /** Closes every connection; requests in flight fail. */
  close(): void {
    this.#pool.close()
  }

  /** Tries the FEs in turn, each at most twice, as long as a repetition cannot do harm. */
  async #overFrontends<T extends HttpReply | LoadBody>(
    request: LoadRequest,
    attempt: (frontend: Target) => Promise<T>,
  ): Promise<T> {
    const frontends = this.#endpoint.frontends
    for (let tries = 1; ; tries++) {
      const index = this.#preferred % frontends.length
      const frontend = frontends[index]
      assert(frontend !== undefined, 'a checked endpoint has an FE')
      const isLast = tries >= 2 * frontends.length
      try {
        const result = await attempt(frontend)
        if (isLast || !request.isRepeatable || !('status' in result) || result.status < 500) return result
      } catch (thrown) {
        const error = toMillraceError(thrown)
        const isHarmless = request.isRepeatable || !mayHaveArrived(error)
        if (isLast || error.code !== 'UNAVAILABLE' || !isHarmless) throw error
      }
      this.#preferred = index + 1
    }
  }

  /** Walks the redirects until a server keeps the request. */
  async #arrive(frontend: Target, request: LoadRequest, hasBody: boolean): Promise<Arrival> {
    let target = await this.#resolve(frontend, request)
    let path = request.path
    const start = target
    for (let hops = 0; ; hops++) {
      const arrival = await this.#send(target, path, request, hasBody)
      if (arrival.reply === undefined || !isRedirect(arrival.reply.status)) return arrival
      this.#pool.give(target, arrival.connection, !hasBody && arrival.reply.keepAlive)
      const location = arrival.reply.headers.get('location')
      const next = await this.#checkRedirect({ start, from: target, location, hops, request })
      target = next.target
      path = next.path
    }
  }

  async #checkRedirect(at: {
    readonly start: ResolvedTarget
    readonly from: ResolvedTarget
    readonly location: string | undefined
    readonly hops: number
    readonly request: LoadRequest
  }): Promise<{ readonly target: ResolvedTarget; readonly path: string }> {
    const { start, from, location, hops, request } = at
    const decision = decideRedirect({ from, location, hops, allowed: this.#endpoint.allowed })
    if (decision.kind === 'deny') throw redirectDenied(from, location, decision.reason)
    if (decision.kind === 'not-listed') {
      if (!this.#endpoint.askForBackends) throw redirectDenied(from, location, 'it is not listed in `backends`')
      const ask: AskFrontend = (question) => this.#ask(start, question, request.doing)
      const reason = await this.#backends.whyNot(authorityOf(decision.target), authorityOf(start), ask)
      if (reason !== undefined) throw redirectDenied(from, location, reason)
    }
    const target = await this.#resolve(decision.target, request)
    if (decision.kind === 'not-listed' && leadsHome(start.addresses, target.addresses)) {
      throw redirectDenied(from, location, 'a remote FE led to the loopback of this host')
    }
    return { target, path: decision.path }
  }

  /** One question to the FE itself; its redirects are not followed. */
  async #ask(frontend: ResolvedTarget, path: string, doing: string): Promise<HttpReply> {
    const request = {
      method: 'GET',
      path,
      headers: [],
      isRepeatable: true,
      doing: `${doing}: asking for backends`,
    } as const
    const { connection, reply } = await this.#send(frontend, path, request, false)
    assert(reply !== undefined, 'a call without a body ends with a reply')
    this.#pool.give(frontend, connection, reply.keepAlive)
    return reply
  }

  #resolve(target: Target, request: LoadRequest): Promise<ResolvedTarget> {
    const { allowPlaintext, timeouts } = this.#endpoint
    const resolving = resolveTarget(target, { resolver: this.#resolver, allowPlaintext, doing: request.doing })
    return within(resolving, timeouts.connectMs, () =>
      wireError(request.doing, `no address of ${target.host} within ${timeouts.connectMs} ms`, {
        phase: 'lookup',
        mayHaveArrived: false,
      }),
    )
  }

  /** One hop: sends the head, waits for the server's first word (with a body) or its whole reply (without). */
  async #send(target: ResolvedTarget, path: string, request: LoadRequest, hasBody: boolean): Promise<Arrival> {
    const head = this.#headOf(target, path, request, hasBody)
    const mayReuse = hasBody || request.isRepeatable
    for (;;) {
      const connection = await this.#pool.take(target, { mayReuse, doing: request.doing })
      const exchange = connection.start(head)
      try {
        if (hasBody && (await this.#firstAnswer(exchange, target, request)) === 'continue') {
          return { target, connection, exchange }
        }
        return { target, connection, exchange, reply: await this.#wholeReply(exchange, target, request) }
      } catch (thrown) {
        this.#pool.give(target, connection, false)
        if (thrown instanceof MillraceError) throw thrown
        // The server had closed the idle connection before it saw the request.
        if (connection.isReused && !exchange.hasStarted()) continue
        const facts: { phase: WirePhase; mayHaveArrived: boolean; cause: unknown } = {
          phase: hasBody ? 'continue' : 'reply',
          mayHaveArrived: !hasBody,
          cause: thrown,
        }
        throw wireError(request.doing, `no usable reply from ${authorityOf(target)}`, facts)
      }
    }
  }

  #firstAnswer(exchange: Exchange, target: Target, request: LoadRequest): Promise<'continue' | 'final'> {
    const ms = this.#endpoint.timeouts.continueMs
    const what = `${authorityOf(target)} neither asked for the body nor replied within ${ms} ms`
    const late = (): MillraceError => wireError(request.doing, what, { phase: 'continue', mayHaveArrived: false })
    return within(exchange.answered, ms, late)
  }

  #wholeReply(exchange: Exchange, target: Target, request: LoadRequest): Promise<HttpReply> {
    const ms = this.#endpoint.timeouts.totalMs
    const what = `${authorityOf(target)} gave no whole reply within ${ms} ms`
    return within(exchange.reply, ms, () => wireError(request.doing, what, { phase: 'reply', mayHaveArrived: true }))
  }

  #headOf(target: Target, path: string, request: LoadRequest, hasBody: boolean): string {
    assert(/^\/[\x21-\x7e]*$/.test(path), `a request path is percent-encoded: ${request.doing}`)
    const credentials = Buffer.from(`${this.#endpoint.username}:${this.#endpoint.password.reveal()}`).toString('base64')
    return [
      `${request.method} ${path} HTTP/1.1\r\n`,
      `Host: ${authorityOf(target)}\r\n`,
      `Authorization: Basic ${credentials}\r\n`,
      'User-Agent: millrace\r\nAccept-Encoding: identity\r\n',
      hasBody
        ? 'Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n'
        : request.method === 'GET'
          ? ''
          : 'Content-Length: 0\r\n',
      headerLines(request.headers),
      '\r\n',
    ].join('')
  }
}

/** 307 and 308 keep the method. Others would turn a PUT into a GET and are treated as plain replies. */
function isRedirect(status: number): boolean {
  return status === 307 || status === 308
}
