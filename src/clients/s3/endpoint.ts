import { isIP } from 'node:net'
import { MillraceError } from '../../core/errors.ts'
import { canonicalHost, forbiddenAddress } from '../../core/host-address.ts'
import type { S3Options } from '../../core/options.ts'
import type { World } from './world.ts'

/** Where requests go and how they are written. */
export interface Endpoint {
  /** Scheme, host and port, without the bucket. */
  readonly origin: URL
  readonly region: string
  readonly pathStyle: boolean
  /** `oss`: Alibaba's header for conditional writes. */
  readonly flavor: 's3' | 'oss'
}

/** Settings of the pipeline before those of the environment (`AWS_ENDPOINT_URL_S3`, `AWS_REGION`, …) before AWS itself. */
export function resolveEndpoint(settings: S3Options, { environment }: World, profileRegion?: string): Endpoint {
  const address = settings.endpoint ?? environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL']
  const named = settings.region ?? environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'] ?? profileRegion
  if (address === undefined || address === '') {
    const region = named ?? 'us-east-1'
    const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
    const origin = new URL(`https://s3.${region}.${suffix}`)
    return { origin, region, pathStyle: settings.pathStyle ?? false, flavor: settings.flavor ?? 's3' }
  }
  const origin = parseOrigin(address)
  const ossRegion = /(?:^|\.)oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$/.exec(origin.hostname)?.[1]
  if (settings.pathStyle === false && isIP(canonicalHost(origin.hostname) ?? '') > 0) {
    throw new MillraceError(
      `the endpoint of object storage is ${origin.host}, an address that no bucket's name can stand before: ` +
        'name the host, or leave out `pathStyle: false`',
      { code: 'CONFIG' },
    )
  }
  const isHosted = ossRegion !== undefined || /\.amazonaws\.com(\.cn)?$/.test(origin.hostname)
  return {
    origin,
    region: named ?? ossRegion ?? 'us-east-1',
    pathStyle: settings.pathStyle ?? !isHosted,
    flavor: settings.flavor ?? (ossRegion === undefined ? 's3' : 'oss'),
  }
}

function parseOrigin(address: string): URL {
  const url = URL.parse(address)
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
  if (!isPlain || url.search !== '' || url.hash !== '' || url.pathname !== '/') {
    throw new MillraceError('the endpoint of object storage has to be http(s)://host[:port], nothing before or after', {
      code: 'CONFIG',
    })
  }
  const host = canonicalHost(url.hostname)
  const refused = host !== undefined && isIP(host) > 0 ? forbiddenAddress(host) : undefined
  if (refused !== undefined) {
    throw new MillraceError(`the endpoint of object storage is ${url.host}, ${refused}, which is never connected to`, {
      code: 'CONFIG',
      detail: { host: url.host, reason: refused },
    })
  }
  return url
}

/** A bucket, and what keys in it begin with: empty, or ending in a slash. */
export interface S3Location {
  readonly bucket: string
  readonly prefix: string
}

/** `s3://bucket/some/prefix`. Also `s3a://` and `s3n://`, which Hadoop's catalogs write. */
export function parseS3Address(address: string): S3Location {
  const match = /^s3[an]?:\/\/([^/?#]+)(?:\/(.*))?$/s.exec(address)
  const bucket = match?.[1] ?? ''
  // Buckets of S3 (and OSS) have 3 to 63 of these characters; anything else would end up in a host name.
  if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i.test(bucket) || bucket.includes('..')) {
    throw new MillraceError(`${address} is no address of object storage: expected s3://bucket/prefix`, {
      code: 'CONFIG',
    })
  }
  const parts = (match?.[2] ?? '').split('/').filter((part) => part !== '')
  if (parts.some((part) => part === '.' || part === '..') || /\p{Cc}/u.test(address)) {
    throw new MillraceError(`${address}: the prefix has a part that no key may have`, { code: 'CONFIG' })
  }
  return { bucket, prefix: parts.map((part) => `${part}/`).join('') }
}

/**
 * The address of an object, or of the bucket with an empty key. The bucket is in the name of the host, unless it has dots,
 * which certificates do not cover, or characters that no name of a host keeps.
 */
export function objectUrl(
  endpoint: Endpoint,
  bucket: string,
  key: string,
  query: Readonly<Record<string, string>>,
): URL {
  const url = new URL(endpoint.origin)
  const inPath = endpoint.pathStyle || !/^[a-z0-9-]+$/.test(bucket)
  if (!inPath) url.hostname = `${bucket}.${url.hostname}`
  url.pathname = (inPath ? `/${bucket}` : '') + `/${encodeKey(key)}`
  url.search = Object.entries(query)
    .map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`)
    .join('&')
  return url
}

/** Every character that is not unreserved in RFC 3986, as signatures want it; slashes stay. */
export function encodeKey(key: string): string {
  return key.split('/').map(encodeRfc3986).join('/')
}

function encodeRfc3986(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
