import { MillraceError } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'
import { authorityOf, type Target } from './address.ts'
import { canonicalAuthority, targetOf } from './redirect-policy.ts'

/** How long each step may take. All in milliseconds. */
export interface StreamLoadTimeouts {
  /** Name lookup, TCP and TLS handshake together. Default 10 000. */
  readonly connectMs: number
  /** From the request head to `100 Continue`, a redirect or a final reply. Default 30 000. */
  readonly continueMs: number
  /** One `write` of a load's body, until the socket took all of it. Default 120 000. */
  readonly idleMs: number
  /** A call without a body, or a load from the end of its body to the end of the reply. Default 600 000. */
  readonly totalMs: number
}

/** A StarRocks or Doris cluster and how to talk to it. */
export interface StreamLoadEndpoint {
  /** `http(s)://host:port` of one or more FEs, tried in turn. A Doris BE works too. */
  readonly urls: readonly string[]
  readonly username: string
  readonly password: Secret
  /** Allows credentials over plain HTTP to hosts that are not loopback. */
  readonly allowPlaintext: boolean
  /**
   * `host:port` of every BE (and FE not in `urls`) that a redirect may lead to. When it is absent the FE is asked for
   * its own list, with the credentials of this endpoint.
   */
  readonly backends?: readonly string[]
  readonly tls?: {
    /** PEM certificates to trust instead of the system's. */
    readonly ca?: string
    /** Turns certificate checks off. For tests only. */
    readonly insecureSkipVerify?: boolean
  }
  readonly timeouts?: Partial<StreamLoadTimeouts>
}

const DEFAULT_TIMEOUTS: StreamLoadTimeouts = {
  connectMs: 10_000,
  continueMs: 30_000,
  idleMs: 120_000,
  totalMs: 600_000,
}

/** An endpoint whose addresses were checked and brought to canonical form. */
export interface CheckedEndpoint {
  readonly frontends: readonly Target[]
  /** Canonical `host:port` of the configured FEs and backends. */
  readonly allowed: ReadonlySet<string>
  /** Whether the FE may extend `allowed` with its own list. */
  readonly askForBackends: boolean
  readonly username: string
  readonly password: Secret
  readonly allowPlaintext: boolean
  readonly tls: { readonly ca?: string; readonly insecureSkipVerify?: boolean }
  readonly timeouts: StreamLoadTimeouts
}

/** @throws MillraceError CONFIG with every mistake of the endpoint at once. */
export function checkEndpoint(endpoint: StreamLoadEndpoint): CheckedEndpoint {
  const findings: string[] = []
  const frontends = endpoint.urls.flatMap((text) => frontendOf(text, findings))
  if (endpoint.urls.length === 0) findings.push('url: at least one FE address is needed')
  // RFC 7617: the first colon ends the user name.
  if (/[\x00-\x1f\x7f:]/.test(endpoint.username)) findings.push('username: may not hold colons or control characters')
  const allowed = new Set(frontends.map(authorityOf))
  for (const entry of endpoint.backends ?? []) {
    const authority = canonicalAuthority(entry)
    if (authority === undefined) findings.push(`backends: ${JSON.stringify(entry)} is not host:port`)
    else allowed.add(authority)
  }
  if (findings.length > 0) {
    throw new MillraceError(findings.join('; '), { code: 'CONFIG', retry: 'halt', detail: { findings } })
  }
  return {
    frontends,
    allowed,
    askForBackends: endpoint.backends === undefined,
    username: endpoint.username,
    password: endpoint.password,
    allowPlaintext: endpoint.allowPlaintext,
    tls: endpoint.tls ?? {},
    timeouts: { ...DEFAULT_TIMEOUTS, ...endpoint.timeouts },
  }
}

function frontendOf(text: string, findings: string[]): Target[] {
  const url = URL.parse(text)
  const target = url === null || !/^https?:$/.test(url.protocol) ? undefined : targetOf(url)
  if (url === null || target === undefined) {
    findings.push('url: an entry is not an http(s) URL')
    return []
  }
  if (url.username !== '' || url.password !== '') {
    findings.push(`url: ${url.host} carries credentials; use username and password`)
  } else if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    findings.push(`url: ${url.host} has a path; give scheme, host and port only`)
  }
  return [target]
}
