import { readFile } from 'node:fs/promises'
import { canonicalHost, isLoopback } from '../../../core/host-address.ts'
import { Secret } from '../../../core/secret.ts'
import { exchange, type Exchange } from '../exchange.ts'
import type { World } from '../world.ts'
import { credentialsUnavailable, noCredentials } from './auth-error.ts'
import type { Credentials, CredentialSource } from './credentials.ts'

/** These services are next to the machine: they answer at once or are not there. */
const LIMITS = { baseMs: 2000, bytesPerSecond: 64 * 1024 }
const TRIES = 3

/** The agents of ECS and EKS, which may be asked without TLS. */
const CONTAINER_HOSTS: ReadonlySet<string> = new Set(['169.254.170.2', '169.254.170.23', 'fd00:ec2::23'])

/** The agent of a container platform: ECS (`…_RELATIVE_URI`) or EKS pod identity (`…_FULL_URI` with a token). */
export function containerSource({ environment, sleep }: World): CredentialSource | undefined {
  const relative = environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
  const full = environment['AWS_CONTAINER_CREDENTIALS_FULL_URI']
  if (!relative && !full) return undefined
  const name = 'the container’s credential service'
  return {
    name,
    load: async () => {
      const url = new URL(relative ? `http://169.254.170.2${relative}` : (full ?? ''))
      if (!mayBeAsked(url)) throw noCredentials(name, `${url.host} is neither https nor an agent of ECS or EKS`)
      const file = environment['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE']
      const token = file ? (await readFile(file, 'utf8')).trim() : environment['AWS_CONTAINER_AUTHORIZATION_TOKEN']
      const headers = token ? { authorization: token } : {}
      return parseCredentials(name, await ask(name, { method: 'GET', url, headers, replyBytesMax: 64 * 1024 }, sleep))
    },
  }
}

function mayBeAsked(url: URL): boolean {
  const host = canonicalHost(url.hostname) ?? ''
  return url.protocol === 'https:' || isLoopback(host) || host === 'localhost' || CONTAINER_HOSTS.has(host)
}

/**
 * The role of a virtual machine, by the second version of the metadata service (a session token first).
 *
 * @see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
 */
export function instanceSource({ environment, sleep }: World): CredentialSource | undefined {
  if (environment['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') return undefined
  const name = 'the machine’s metadata service'
  const base = environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] || 'http://169.254.169.254'
  const at = (path: string): URL => new URL(`/latest/${path}`, base)
  return {
    name,
    load: async () => {
      const get = async (path: string, headers: Record<string, string>): Promise<string> =>
        ask(name, { method: 'GET', url: at(path), headers, replyBytesMax: 64 * 1024 }, sleep)
      const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' }
      const request: Exchange = { method: 'PUT', url: at('api/token'), headers: ttl, replyBytesMax: 4096 }
      const session = { 'x-aws-ec2-metadata-token': (await ask(name, request, sleep)).trim() }
      const roles = 'meta-data/iam/security-credentials/'
      const [role = ''] = (await get(roles, session)).split('\n')
      if (!/^[\w+=,.@-]+$/.test(role)) throw noCredentials(name, 'the machine has no role')
      return parseCredentials(name, await get(roles + role, session))
    },
  }
}

async function ask(name: string, request: Exchange, sleep: World['sleep']): Promise<string> {
  const hint = 'if this is not a machine of AWS, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE'
  for (let attempt = 1; ; attempt++) {
    try {
      const { status, body } = await exchange(request, LIMITS, 'metadata')
      if (status === 200) return body.toString('utf8')
      if (status < 500 || attempt === TRIES) throw noCredentials(name, `it answered ${status}`)
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'MillraceError') throw cause
      if (attempt === TRIES) throw noCredentials(name, `${request.url.host} does not answer; ${hint}`, cause)
    }
    await sleep(100 * attempt)
  }
}

/** The reply is never quoted: it holds the keys. */
function parseCredentials(name: string, text: string): Credentials {
  const { AccessKeyId: id, SecretAccessKey: secret, Token: token, Expiration: expiration } = parseObject(text)
  const expiresAt = typeof expiration === 'string' ? Date.parse(expiration) : undefined
  const isWhole = typeof id === 'string' && typeof secret === 'string' && !Number.isNaN(expiresAt ?? 0)
  if (!isWhole) throw credentialsUnavailable(name, 'its reply names no credentials')
  return {
    accessKeyId: id,
    secretAccessKey: new Secret(secret),
    ...(typeof token === 'string' ? { sessionToken: new Secret(token) } : {}),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
