import type { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { MillraceError } from './errors.ts'
import { forbiddenAddress } from './host-address.ts'

/** Keeps a client from addresses of metadata services and of "this link". */
export interface AddressGuard {
  /** @throws MillraceError `REDIRECT_DENIED` for such an address in plain digits, which is never looked up. */
  assertAllowed(host: string): void
  /** `dns.lookup` for sockets that fails when a name resolves to one, so that what was checked is what is used. */
  readonly lookup: LookupFunction
}

/** `resolve` is `dns.lookup`; `to` and `never` are words for the message: "connecting to … : … is never …". */
export function guardAddresses(resolve: typeof lookup, to: (host: string) => string, never: string): AddressGuard {
  const refusal = (host: string, address: string, why: string): MillraceError => {
    const message = `connecting to ${to(host)}: ${address} is ${why}, which is never ${never}`
    return new MillraceError(message, { code: 'REDIRECT_DENIED', detail: { host, address } })
  }
  return {
    assertAllowed: (host) => {
      const why = isIP(host) === 0 ? undefined : forbiddenAddress(host)
      if (why !== undefined) throw refusal(host, host, why)
    },
    lookup: (host, options, done) => {
      resolve(isBelowLocalhost(host) ? 'localhost' : host, { ...options, all: true }, (error, found) => {
        if (error !== null) return done(error, '', 0)
        for (const { address } of found) {
          const why = forbiddenAddress(address)
          if (why !== undefined) return done(refusal(host, address, why), '', 0)
        }
        const [first] = found
        if (first === undefined) return done(new Error(`${host} has no address`), '', 0)
        if (options.all === true) return done(null, found)
        done(null, first.address, first.family)
      })
    },
  }
}

/** Such names are loopback wherever they are asked for, but not every resolver knows (RFC 6761, section 6.3). */
function isBelowLocalhost(host: string): boolean {
  return /\.localhost\.?$/i.test(host)
}
