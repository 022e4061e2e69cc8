import { lookup as resolve, type LookupAddress } from 'node:dns'
import { isIP, Socket, type LookupFunction } from 'node:net'
import { MillraceError } from '../../core/errors.ts'
import { forbiddenAddress } from '../../core/host-address.ts'

/** A socket that connects to no address of metadata services or of "this link", also when a name resolves to one. */
export class GuardedSocket extends Socket {
  /** As the driver calls it, with port and host. */
  override connect(...args: readonly unknown[]): this {
    const [port, host] = args
    return super.connect({ port: Number(port), host: String(host), lookup: guardedLookup })
  }
}

/** @throws MillraceError `REDIRECT_DENIED` for such an address in plain digits, which is never looked up. */
export function assertAllowedHost(host: string): void {
  const why = isIP(host) === 0 ? undefined : forbiddenAddress(host)
  if (why !== undefined) throw refusal(host, host, why)
}

const guardedLookup: LookupFunction = (host, options, done) => {
  resolve(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
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
}

function refusal(host: string, address: string, why: string): MillraceError {
  const message = `connecting to the database ${host}: ${address} is ${why}, which is never a database server`
  return new MillraceError(message, { code: 'REDIRECT_DENIED', detail: { host, address } })
}
