import type { Finding } from '../core/checkpoint-types.ts'
import { isLoopback } from '../core/host-address.ts'
import type { Draft } from './check-definition.ts'
import type { Path } from './parsed-file.ts'

/** Warns of object storage that is spoken to without TLS over a network. Keys are safe (requests are signed), data are not. */
export function plainStorageFindings({ definition, sources, sinks }: Draft): Finding[] {
  const all: (readonly [Path, unknown])[] = [
    [['s3'], definition.s3],
    ...sources.map(({ id, options }) => [['sources', id, 's3'], options['s3']] as const),
    ...sinks.map(({ id, options }) => [['sinks', id, 's3'], options['s3']] as const),
  ]
  return all.flatMap(([path, s3]) => {
    const endpoint = endpointOf(s3)
    const url = endpoint === undefined ? null : URL.parse(endpoint)
    if (url?.protocol !== 'http:' || url.hostname === 'localhost' || isLoopback(url.hostname)) return []
    const message = `everything that is written to and read from ${url.host} crosses the network in the clear`
    const hint = 'Use https, unless that network is trusted.'
    return [{ severity: 'warning', code: 'CONFIG', message, hint, path: [...path, 'endpoint'] }]
  })
}

function endpointOf(s3: unknown): string | undefined {
  const isObject = typeof s3 === 'object' && s3 !== null && 'endpoint' in s3
  return isObject && typeof s3.endpoint === 'string' ? s3.endpoint : undefined
}
