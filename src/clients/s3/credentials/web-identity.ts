import { readFile } from 'node:fs/promises'
import { MillraceError } from '../../../core/errors.ts'
import { Secret } from '../../../core/secret.ts'
import { exchange, type Reply } from '../exchange.ts'
import type { World } from '../world.ts'
import { parseXml, textOf, type XmlElement } from '../xml.ts'
import { credentialsUnavailable, noCredentials } from './auth-error.ts'
import type { Credentials, CredentialSource } from './credentials.ts'

const LIMITS = { baseMs: 10_000, bytesPerSecond: 64 * 1024 }

/**
 * Exchanges a token that the platform renews (Kubernetes: a mounted file) for temporary credentials of a role.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 */
export function webIdentitySource({ environment, ...world }: World): CredentialSource | undefined {
  const { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: role } = environment
  if (!file || !role) return undefined
  const name = `the role ${role} with the token in ${file}`
  const region = environment['AWS_REGION'] || environment['AWS_DEFAULT_REGION'] || 'us-east-1'
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  const url = new URL(environment['AWS_ENDPOINT_URL_STS'] || `https://sts.${region}.${suffix}/`)
  return {
    name,
    load: async () => {
      const token = await readFile(file, 'utf8').catch((cause: unknown) => {
        throw noCredentials(name, 'the token file cannot be read', cause)
      })
      const form = new URLSearchParams({
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: role,
        RoleSessionName: environment['AWS_ROLE_SESSION_NAME'] || `millrace-${world.now()}`,
        WebIdentityToken: token.trim(),
      })
      return parseReply(name, await post(name, url, Buffer.from(form.toString())))
    },
  }
}

async function post(name: string, url: URL, body: Buffer): Promise<Reply> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  try {
    return await exchange({ method: 'POST', url, headers, body, replyBytesMax: 64 * 1024 }, LIMITS)
  } catch (cause) {
    throw credentialsUnavailable(name, `${url.host} does not answer`, cause)
  }
}

function parseReply(name: string, reply: Reply): Credentials {
  if (reply.status >= 500) throw credentialsUnavailable(name, `the token service answered ${reply.status}`)
  try {
    const root = parseXml(reply.body.toString('utf8'))
    if (reply.status !== 200) {
      const code = root.children.map((error) => textOf(error, 'Code')).find((text) => text !== undefined)
      throw noCredentials(name, `the token service refused with ${reply.status} ${code?.slice(0, 60) ?? ''}`)
    }
    const found = find(root, ['AssumeRoleWithWebIdentityResult', 'Credentials'])
    const id = found && textOf(found, 'AccessKeyId')
    const secret = found && textOf(found, 'SecretAccessKey')
    const token = found && textOf(found, 'SessionToken')
    const expiresAt = Date.parse((found && textOf(found, 'Expiration')) ?? '')
    if (!id || !secret || !token || Number.isNaN(expiresAt)) throw new SyntaxError('it names no credentials')
    return { accessKeyId: id, secretAccessKey: new Secret(secret), sessionToken: new Secret(token), expiresAt }
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    throw credentialsUnavailable(name, `the reply of the token service (${reply.status}) cannot be read`, undefined)
  }
}

function find(element: XmlElement, [name, ...rest]: readonly string[]): XmlElement | undefined {
  if (name === undefined) return element
  const child = element.children.find((one) => one.name === name)
  return child && find(child, rest)
}
