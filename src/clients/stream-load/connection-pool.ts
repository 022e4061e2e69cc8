import { MillraceError } from '../../core/errors.ts'
import type { CheckedEndpoint } from './endpoint.ts'
import { authorityOf } from './address.ts'
import { Connection } from './connection.ts'
import type { ResolvedTarget } from './resolve.ts'
import { wireError } from './wire-error.ts'

const IDLE_PER_TARGET_MAX = 8
/** Shorter than any keep-alive time seen on FE or BE, so that few reused connections turn out to be closed. */
const IDLE_MS = 5_000

interface Idle {
  readonly connection: Connection
  readonly since: number
}

/** Idle keep-alive connections by scheme, name and port. */
export class ConnectionPool {
  readonly #idle = new Map<string, Idle[]>()
  readonly #inUse = new Set<Connection>()
  readonly #endpoint: CheckedEndpoint
  #isClosed = false

  constructor(endpoint: CheckedEndpoint) {
    this.#endpoint = endpoint
  }

  /** An idle connection when `mayReuse` and there is one, else a new one. */
  async take(
    target: ResolvedTarget,
    options: { readonly mayReuse: boolean; readonly doing: string },
  ): Promise<Connection> {
    const reused = options.mayReuse ? this.#takeIdle(keyOf(target)) : undefined
    const connection = reused ?? (await this.#connect(target, options.doing))
    if (this.#isClosed) {
      connection.destroy()
      throw wireError(options.doing, 'the client was closed', { phase: 'connect', mayHaveArrived: false })
    }
    this.#inUse.add(connection)
    return connection
  }

  /** Gives a connection back. It is closed unless it can carry another request. */
  give(target: ResolvedTarget, connection: Connection, isReusable: boolean): void {
    this.#inUse.delete(connection)
    const idle = this.#idle.get(keyOf(target)) ?? []
    if (!isReusable || this.#isClosed || !connection.isUsable || idle.length >= IDLE_PER_TARGET_MAX) {
      connection.destroy()
      return
    }
    connection.isReused = true
    connection.setIdle(true)
    idle.push({ connection, since: performance.now() })
    this.#idle.set(keyOf(target), idle)
  }

  close(): void {
    this.#isClosed = true
    for (const idle of this.#idle.values()) for (const { connection } of idle) connection.destroy()
    for (const connection of this.#inUse) connection.destroy(new Error('the client was closed'))
    this.#idle.clear()
    this.#inUse.clear()
  }

  #takeIdle(key: string): Connection | undefined {
    const idle = this.#idle.get(key) ?? []
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      if (last.connection.isUsable && performance.now() - last.since < IDLE_MS) {
        last.connection.setIdle(false)
        return last.connection
      }
      last.connection.destroy()
    }
    return undefined
  }

  async #connect(target: ResolvedTarget, doing: string): Promise<Connection> {
    try {
      const { tls, timeouts } = this.#endpoint
      return await Connection.open(target, { tls, connectMs: timeouts.connectMs })
    } catch (cause) {
      if (isCertificateProblem(cause)) throw untrusted(target, doing, cause)
      const facts = { phase: 'connect', mayHaveArrived: false, cause } as const
      throw wireError(doing, `cannot connect to ${target.scheme}://${authorityOf(target)}`, facts)
    }
  }
}

function keyOf(target: ResolvedTarget): string {
  return `${target.scheme}://${authorityOf(target)}`
}

/** OpenSSL's verification results, and Node's own for a certificate of another name. */
const CERTIFICATE_CODE = /CERT|UNABLE_TO_(?:GET_ISSUER|VERIFY)|SELF_SIGNED|INVALID_CA|HOSTNAME_MISMATCH/

function isCertificateProblem(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && CERTIFICATE_CODE.test(String(cause.code))
}

function untrusted(target: ResolvedTarget, doing: string, cause: unknown): MillraceError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new MillraceError(
    `${doing}: the certificate of ${authorityOf(target)} is not trusted (${why}). If it is right, give its authority as tls.ca`,
    { code: 'CONFIG', retry: 'halt', cause, detail: { host: authorityOf(target) } },
  )
}
