import { MillraceError } from '../../core/errors.ts'
import { canonicalHost, forbiddenAddress, isLoopback } from '../../core/host-address.ts'
import { authorityOf, type Target } from './address.ts'
import { isIP } from 'node:net'

/** More hops than follower FE → leader FE → BE are never needed. */
export const REDIRECT_HOPS_MAX = 3

/** What is known when a server answers a request that carries credentials with a redirect. */
export interface RedirectSituation {
  readonly from: Target
  readonly location: string | undefined
  /** Redirects followed before this one. */
  readonly hops: number
  /** `host:port` in canonical form: configured FE addresses, configured `backends`, and what the FE lists. */
  readonly allowed: ReadonlySet<string>
}

export type RedirectDecision =
  | { readonly kind: 'follow'; readonly target: Target; readonly path: string }
  /** The target is well formed, but in no list: the FE may still vouch for it. */
  | { readonly kind: 'not-listed'; readonly target: Target; readonly path: string }
  | { readonly kind: 'deny'; readonly reason: string }

/** Decides about one redirect before a byte goes to its target. Pure: no name is resolved here. */
export function decideRedirect(situation: RedirectSituation): RedirectDecision {
  const { from, location, hops } = situation
  if (hops >= REDIRECT_HOPS_MAX) return deny(`more than ${REDIRECT_HOPS_MAX} redirects in a row`)
  if (location === undefined || location === '') return deny('the redirect has no Location')
  if (/[^\x21-\x7e]/.test(location) || location.includes('\\')) return deny('the Location has characters no URL has')
  const url = URL.parse(location, `${from.scheme}://${authorityOf(from)}/`)
  if (url === null) return deny('the Location is not a URL')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return deny(`the scheme is ${url.protocol}`)
  if (from.scheme === 'https' && url.protocol === 'http:') return deny('it leads from https to http')
  if (url.username !== '' || url.password !== '') return deny('the Location carries credentials')
  const target = targetOf(url)
  if (target === undefined) return deny('the host is malformed')
  const refused = isIP(target.host) === 0 ? undefined : forbiddenAddress(target.host)
  if (refused !== undefined) return deny(`${target.host} is ${refused}`)
  const path = url.pathname + url.search
  return situation.allowed.has(authorityOf(target))
    ? { kind: 'follow', target, path }
    : { kind: 'not-listed', target, path }
}

function deny(reason: string): RedirectDecision {
  return { kind: 'deny', reason }
}

/** The canonical target of an http or https URL. */
export function targetOf(url: URL): Target | undefined {
  const host = canonicalHost(url.hostname)
  if (host === undefined) return undefined
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  return { scheme, host, port: url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port) }
}

/** A `host:port` or `http(s)://host:port` entry of `backends`, in canonical form; undefined when it is malformed. */
export function canonicalAuthority(entry: string): string | undefined {
  const url = URL.parse(/^https?:\/\//i.test(entry) ? entry : `http://${entry}`)
  if (url === null || url.username !== '' || url.pathname !== '/' || url.search !== '') return undefined
  const target = targetOf(url)
  return target === undefined ? undefined : authorityOf(target)
}

/**
 * Whether a redirect that only the FE's own list allows would lead from a remote FE to this host. A remote FE must not be
 * able to point this process at services on its own loopback; an FE on the loopback may.
 */
export function leadsHome(frontend: readonly string[], target: readonly string[]): boolean {
  return target.some(isLoopback) && !frontend.every(isLoopback)
}

export function redirectDenied(from: Target, location: string | undefined, reason: string): MillraceError {
  const shown = (location ?? '')
    .slice(0, 200)
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/\/\/[^/@]*@/, '//***@')
  return new MillraceError(
    `${authorityOf(from)} redirected to "${shown}": refused, ${reason}. Nothing was sent there; if the host is right, add host:port to \`backends\``,
    { code: 'REDIRECT_DENIED', retry: 'halt', detail: { from: authorityOf(from), location: shown, reason } },
  )
}
