import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { MillraceError } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'
import type { KafkaApi } from './api.ts'
import { saslAuthenticate, saslHandshake } from './apis/sasl.ts'
import { KAFKA, kafkaError } from './kafka-errors.ts'

export type SaslMechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER'

export interface SaslOptions {
  readonly mechanism: SaslMechanism
  readonly username: string
  /** With OAUTHBEARER the token, when there is no `token`. */
  readonly password: Secret
  /** OAUTHBEARER: asked at every login, so also before a token ends. */
  readonly token?: () => Promise<Secret>
}

/** What authentication needs of a connection. */
export interface SaslPeer {
  readonly address: string
  call<Request, Response>(api: KafkaApi<Request, Response>, request: Request): Promise<Response>
}

const ITERATIONS_MIN = 4096
const ITERATIONS_MAX = 1_000_000
const deriveKey = promisify(pbkdf2)

/**
 * Logs in on a fresh connection. Returns the lifetime of the session in milliseconds, 0 when it has none.
 * A refusal is `AUTH`, as is a server that cannot prove that it knows the password (SCRAM).
 */
export async function authenticate(peer: SaslPeer, options: SaslOptions): Promise<number> {
  const doing = `logging in to Kafka broker ${peer.address} as ${options.username} with ${options.mechanism}`
  const handshake = await peer.call(saslHandshake, options.mechanism)
  if (handshake.errorCode !== 0) {
    throw kafkaError(handshake.errorCode, doing, {}, `it offers ${handshake.mechanisms.join(', ')}`)
  }
  const send = async (token: Buffer): Promise<{ token: Buffer; lifetimeMs: number }> => {
    const answer = await peer.call(saslAuthenticate, token)
    if (answer.errorCode !== 0) {
      // Whatever code comes here, it is the login that was refused.
      throw kafkaError(KAFKA.SASL_AUTHENTICATION_FAILED, doing, {}, answer.message)
    }
    return { token: answer.token, lifetimeMs: Number(answer.sessionLifetimeMs) }
  }
  if (options.mechanism === 'PLAIN') {
    return (await send(Buffer.from(`\0${options.username}\0${options.password.reveal()}`, 'utf8'))).lifetimeMs
  }
  if (options.mechanism === 'OAUTHBEARER') {
    const token = await (options.token?.() ?? Promise.resolve(options.password))
    const answer = await send(Buffer.from(`n,,\x01auth=Bearer ${token.reveal()}\x01\x01`, 'utf8'))
    // RFC 7628, 3.2.3: a server that refuses says why without an error, and sends that when it was acknowledged.
    if (answer.token.length > 0) {
      await send(Buffer.from('\x01'))
      throw untrusted(doing, 'it refused the token and then let us in')
    }
    return answer.lifetimeMs
  }
  return scram(options, options.mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512', doing, send)
}

/** RFC 5802 without channel binding. */
async function scram(
  options: SaslOptions,
  hash: 'sha256' | 'sha512',
  doing: string,
  send: (token: Buffer) => Promise<{ token: Buffer; lifetimeMs: number }>,
): Promise<number> {
  const clientNonce = randomBytes(18).toString('base64')
  const clientFirst = `n=${options.username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${clientNonce}`
  const serverFirst = (await send(Buffer.from(`n,,${clientFirst}`))).token.toString('utf8')
  const challenge = parseFields(serverFirst)
  const nonce = challenge.get('r') ?? ''
  const salt = Buffer.from(challenge.get('s') ?? '', 'base64')
  const iterations = Number(challenge.get('i'))
  if (!nonce.startsWith(clientNonce) || nonce === clientNonce || salt.length === 0)
    throw untrusted(doing, 'its challenge is malformed')
  if (!(iterations >= ITERATIONS_MIN && iterations <= ITERATIONS_MAX)) {
    throw untrusted(doing, `it asks for ${iterations} iterations; ${ITERATIONS_MIN} to ${ITERATIONS_MAX} are accepted`)
  }

  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest()
  const salted = await deriveKey(
    options.password.reveal().normalize('NFKC'),
    salt,
    iterations,
    hash === 'sha256' ? 32 : 64,
    hash,
  )
  const clientKey = hmac(salted, 'Client Key')
  const withoutProof = `c=biws,r=${nonce}` // biws is base64 of "n,,"
  const authMessage = `${clientFirst},${serverFirst},${withoutProof}`
  const signature = hmac(createHash(hash).update(clientKey).digest(), authMessage)
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)))
  const final = await send(Buffer.from(`${withoutProof},p=${proof.toString('base64')}`))

  const claimed = Buffer.from(parseFields(final.token.toString('utf8')).get('v') ?? '', 'base64')
  const expected = hmac(hmac(salted, 'Server Key'), authMessage)
  if (claimed.length !== expected.length || !timingSafeEqual(claimed, expected)) {
    throw untrusted(doing, 'it could not prove that it knows the password')
  }
  return final.lifetimeMs
}

function parseFields(message: string): Map<string, string> {
  return new Map(message.split(',').map((field) => [field.slice(0, 1), field.slice(2)]))
}

function untrusted(doing: string, why: string): MillraceError {
  return new MillraceError(`${doing}: the server is not to be trusted: ${why}`, { code: 'AUTH' })
}
