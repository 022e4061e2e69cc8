import { lookup as resolve, type LookupAddress } from 'node:dns'
import { isIP, Socket, type LookupFunction } from 'node:net'
import { MillraceError } from '../../core/errors.ts'
import { forbiddenAddress } from '../../core/host-address.ts'

/** A socket that connects to no address of metadata services or of "this link", also when a name resolves to one. */
export function guardedSocket(host: string, port: number): Socket {
  const why = isIP(host) === 0 ? undefined : forbiddenAddress(host)
  if (why !== undefined) throw refusal(host, host, why)
  return new Socket().connect({ host, port, lookup: guardedLookup })
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
