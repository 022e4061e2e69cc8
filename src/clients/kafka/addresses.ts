import { lookup as resolve, type LookupAddress } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { MillraceError } from '../../core/errors.ts'

const refused = new BlockList()
refused.addSubnet('169.254.0.0', 16, 'ipv4')
refused.addSubnet('fe80::', 10, 'ipv6')
refused.addAddress('fd00:ec2::254', 'ipv6')

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether an IP address is link-local or that of a cloud's metadata service, where no broker ever is. */
export function isRefusedAddress(address: string): boolean {
  return refused.check(withoutZone(address), family(address))
}

export function isLoopbackAddress(address: string): boolean {
  return isIP(address) !== 0 && loopback.check(address, family(address))
}

/** Brokers advertise hosts as they like; one that is an address of `isRefusedAddress` is not connected to. */
export function assertAllowedHost(host: string): void {
  if (isIP(withoutZone(host)) !== 0 && isRefusedAddress(host)) throw refusal(host, host)
}

/** `dns.lookup` for sockets that fails when a name resolves to a refused address, so what was checked is what is used. */
export const guardedLookup: LookupFunction = (host, options, done) => {
  resolve(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error !== null) return done(error, '', 0)
    const bad = found.find(({ address }) => isRefusedAddress(address))
    const first = found[0]
    if (bad !== undefined) return done(refusal(host, bad.address), '', 0)
    if (first === undefined) return done(new Error(`${host} has no address`), '', 0)
    if (options.all === true) return done(null, found)
    done(null, first.address, first.family)
  })
}

function refusal(host: string, address: string): MillraceError {
  const message = `connecting to Kafka broker ${host}: ${address} is a link-local or metadata address, which is never a broker`
  return new MillraceError(message, { code: 'REDIRECT_DENIED', detail: { host, address } })
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(withoutZone(address)) === 6 ? 'ipv6' : 'ipv4'
}

function withoutZone(address: string): string {
  return address.split('%')[0] ?? address
}
