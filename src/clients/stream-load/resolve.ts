import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { MillraceError } from '../../core/errors.ts'
import { forbiddenAddress, isLoopback } from '../../core/host-address.ts'
import { authorityOf, type Target } from './address.ts'
import { wireError } from './wire-error.ts'

/** Every address of a name. `node:dns` by default; tests hand in their own. */
export type Resolver = (host: string) => Promise<readonly string[]>

export const systemResolver: Resolver = async (host) =>
  (await lookup(host, { all: true, order: 'verbatim' })).map((found) => found.address)

/** A target with the addresses that may be connected to, checked once and used as they are. */
export interface ResolvedTarget extends Target {
  readonly addresses: readonly [string, ...string[]]
}

/**
 * Resolves a target once. What comes out is what is connected to, so a name that changes its address between check and
 * connect gains nothing.
 *
 * @throws MillraceError REDIRECT_DENIED for an address that is never allowed, CONFIG for credentials in the clear.
 */
export async function resolveTarget(
  target: Target,
  options: { readonly resolver: Resolver; readonly allowPlaintext: boolean; readonly doing: string },
): Promise<ResolvedTarget> {
  const [first, ...more] = isIP(target.host) > 0 ? [target.host] : await askResolver(target, options)
  if (first === undefined) {
    const facts = { phase: 'lookup', mayHaveArrived: false } as const
    throw wireError(options.doing, `${target.host} has no address`, facts)
  }
  for (const ip of [first, ...more]) {
    const refused = forbiddenAddress(ip)
    if (refused !== undefined) {
      const detail = { host: authorityOf(target), address: ip, reason: refused }
      throw new MillraceError(
        `${options.doing}: ${authorityOf(target)} resolves to ${ip}, ${refused}, which is never connected to`,
        { code: 'REDIRECT_DENIED', retry: 'halt', detail },
      )
    }
    if (target.scheme === 'http' && !options.allowPlaintext && !isLoopback(ip)) {
      throw new MillraceError(
        `${options.doing}: the password would cross the network in the clear to ${authorityOf(target)}. Use https, or set allowPlaintext: true if that network is trusted`,
        { code: 'CONFIG', retry: 'halt', detail: { host: authorityOf(target) } },
      )
    }
  }
  return { ...target, addresses: [first, ...more] }
}

async function askResolver(
  target: Target,
  options: { readonly resolver: Resolver; readonly doing: string },
): Promise<readonly string[]> {
  try {
    return await options.resolver(target.host)
  } catch (cause) {
    const facts = { phase: 'lookup', mayHaveArrived: false, cause } as const
    throw wireError(options.doing, `cannot resolve ${target.host}`, facts)
  }
}
