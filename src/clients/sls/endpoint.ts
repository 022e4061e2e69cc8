import { isIP } from 'node:net'
import { MillraceError } from '../../core/errors.ts'

/** Where the requests of one project go, and what they say about it. */
export interface SlsEndpoint {
  readonly scheme: 'http' | 'https'
  /** Name or address that is connected to, without brackets. */
  readonly host: string
  readonly port: number
  /** `project.endpoint`, with the port where the endpoint names one. It is signed. */
  readonly authority: string
  /** The region that signature V4 wants, where the endpoint's name tells it. */
  readonly region: string | undefined
}

/** Kinds of networks that may stand behind the region in an endpoint's name. */
const NETWORKS = /-(intranet|share|vpc|internal|acdr-ut|acdr)$/

/**
 * Reads an endpoint: a host with or without scheme and port. The project becomes the first label of the Host header
 * (aliyun-log-go-sdk client_request.go); names are connected to with the project, while an IP address or localhost is
 * connected to as it is. Without a scheme names are https, and localhost and addresses http.
 */
export function parseEndpoint(endpoint: string, project: string): SlsEndpoint {
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.*?)\/?$/.exec(endpoint) ?? []
  const [, bracketed, plain, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(rest) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port ?? 1) > 65_535) {
    throw new MillraceError(
      'the SLS endpoint cannot be read: expected a host such as cn-hangzhou.log.aliyuncs.com, with a scheme (http, https) and a port if needed',
      { code: 'CONFIG', retry: 'halt' },
    )
  }
  const isDirect = isIP(host) !== 0 || host === 'localhost'
  const isSecure = scheme === undefined ? !isDirect : scheme === 'https'
  const suffix = port === undefined ? '' : `:${port}`
  const shown = bracketed === undefined ? host : `[${host}]`
  return {
    scheme: isSecure ? 'https' : 'http',
    host: isDirect ? host : `${project}.${host}`,
    port: port === undefined ? (isSecure ? 443 : 80) : Number(port),
    authority: `${project}.${shown}${suffix}`,
    region: isDirect ? undefined : regionOf(host),
  }
}

/** The first label of Alibaba Cloud's names (`ParseRegion` of aliyun-log-go-sdk). */
function regionOf(host: string): string | undefined {
  const label = /^([a-z0-9-]+)\.(?:log|sls)\.aliyuncs\.com$/.exec(host)?.[1]
  return label?.replace(NETWORKS, '')
}
