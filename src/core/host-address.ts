import { isIP } from 'node:net'

/**
 * One spelling per host: names in lower case without the root dot, IPv4 dotted (from decimal, octal, hex and
 * IPv6-mapped forms), IPv6 compressed and without brackets. Undefined when no URL could have such a host.
 */
export function canonicalHost(host: string): string | undefined {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  if (bare.includes('%') || bare === '') return undefined
  const url = URL.parse(bare.includes(':') ? `http://[${bare}]/` : `http://${bare}/`)
  if (url === null || url.username !== '' || url.port !== '' || url.pathname !== '/') return undefined
  const parsed = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  return unmapped(parsed.endsWith('.') ? parsed.slice(0, -1) : parsed)
}

/** `::ffff:7f00:1` and the long-dead `::7f00:1` form both reach the IPv4 address inside. */
function unmapped(host: string): string {
  const match = /^::(?:ffff:(?:0:)?)?([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host)
  if (match === null) return host
  const high = Number.parseInt(match[1] ?? '', 16)
  const low = Number.parseInt(match[2] ?? '', 16)
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

export function isLoopback(ip: string): boolean {
  const host = canonicalHost(ip) ?? ip
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** Instance metadata services that do not live in a link-local range: Alibaba Cloud, Azure, Oracle Cloud, AWS on IPv6. */
const METADATA = new Set(['100.100.100.200', '168.63.129.16', '192.0.0.192', 'fd00:ec2::254'])

/**
 * Why an address may never be connected to, whatever lists say; undefined when it may. These ranges hold instance
 * metadata services or mean "this host", "this link" or "everybody", never a database server.
 */
export function forbiddenAddress(ip: string): string | undefined {
  const host = canonicalHost(ip)
  if (host === undefined || isIP(host) === 0) return 'not an IP address'
  if (METADATA.has(host)) return 'an instance metadata service'
  return isIP(host) === 4 ? forbiddenIPv4(host) : forbiddenIPv6(host)
}

function forbiddenIPv4(host: string): string | undefined {
  const [a = 0, b = 0] = host.split('.').map(Number)
  if (a === 169 && b === 254) return 'a link-local address'
  if (a === 0) return 'the unspecified address'
  if (a >= 224) return 'a multicast or reserved address'
  return undefined
}

function forbiddenIPv6(host: string): string | undefined {
  const first = Number.parseInt(host.split(':')[0] || '0', 16)
  if ((first & 0xffc0) === 0xfe80) return 'a link-local address'
  if ((first & 0xff00) === 0xff00) return 'a multicast address'
  if (host === '::') return 'the unspecified address'
  // NAT64 carries an IPv4 address in its last 32 bits, 169.254.169.254 among them.
  if (host.startsWith('64:ff9b:')) return 'a NAT64 address'
  return undefined
}
