import { lookup as resolve, type LookupAddress } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { MillraceError } from '../../core/errors.ts'

/** Link-local addresses and the metadata services of clouds (the last one is Alibaba Cloud's own). */
const refused = new BlockList()
refused.addSubnet('169.254.0.0', 16, 'ipv4')
refused.addSubnet('fe80::', 10, 'ipv6')
refused.addAddress('fd00:ec2::254', 'ipv6')
refused.addAddress('100.100.100.200', 'ipv4')

export function assertAllowedHost(host: string): void {
  if (isIP(host) !== 0 && isRefused(host)) throw refusal(host, host)
}

/** `dns.lookup` that fails when a name resolves to a refused address, so what was checked is what is connected to. */
export const guardedLookup: LookupFunction = (host, options, done) => {
  resolve(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error !== null) return done(error, '', 0)
    const bad = found.find(({ address }) => isRefused(address))
    const [first] = found
    if (bad !== undefined) return done(refusal(host, bad.address), '', 0)
    if (first === undefined) return done(new Error(`${host} has no address`), '', 0)
    if (options.all === true) return done(null, found)
    done(null, first.address, first.family)
  })
}

function isRefused(address: string): boolean {
  return refused.check(address.split('%')[0] ?? address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

function refusal(host: string, address: string): MillraceError {
  return new MillraceError(
    `connecting to SLS at ${host}: ${address} is a link-local or metadata address, which is never a log service`,
    { code: 'REDIRECT_DENIED', retry: 'halt', detail: { host, address } },
  )
}
