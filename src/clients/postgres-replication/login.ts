import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { MillraceError } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'

const ITERATIONS_MIN = 4096
const ITERATIONS_MAX = 1_000_000
const deriveKey = promisify(pbkdf2)

/** `md5` and the hexadecimal digest that AuthenticationMD5Password asks for. */
export function md5Answer(username: string, password: Secret, salt: Uint8Array): string {
  const inner = createHash('md5').update(`${password.reveal()}${username}`).digest('hex')
  return `md5${createHash('md5').update(inner).update(salt).digest('hex')}`
}

/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding. The user name travels in the startup message, here it is
 * empty. The server has to prove that it knows the password, too.
 */
export class Scram {
  readonly #doing: string
  readonly #password: Secret
  readonly #nonce = randomBytes(18).toString('base64')
  #proof: Buffer = Buffer.alloc(0)

  constructor(doing: string, password: Secret) {
    this.#doing = doing
    this.#password = password
  }

  first(): string {
    return `n,,n=,r=${this.#nonce}`
  }

  async final(challenge: string): Promise<string> {
    const fields = fieldsOf(challenge)
    const nonce = fields.get('r') ?? ''
    const salt = Buffer.from(fields.get('s') ?? '', 'base64')
    const iterations = Number(fields.get('i'))
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce || salt.length === 0) {
      throw this.#untrusted('its challenge is malformed')
    }
    if (!(iterations >= ITERATIONS_MIN && iterations <= ITERATIONS_MAX)) {
      throw this.#untrusted(`it asks for ${iterations} iterations; ${ITERATIONS_MIN} to ${ITERATIONS_MAX} are accepted`)
    }
    const salted = await deriveKey(this.#password.reveal().normalize('NFKC'), salt, iterations, 32, 'sha256')
    const clientKey = hmac(salted, 'Client Key')
    const withoutProof = `c=biws,r=${nonce}` // biws is base64 of "n,,"
    const authMessage = `n=,r=${this.#nonce},${challenge},${withoutProof}`
    const signature = hmac(createHash('sha256').update(clientKey).digest(), authMessage)
    const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)))
    this.#proof = hmac(hmac(salted, 'Server Key'), authMessage)
    return `${withoutProof},p=${proof.toString('base64')}`
  }

  check(answer: string): void {
    const given = Buffer.from(fieldsOf(answer).get('v') ?? '', 'base64')
    const isProven = given.length === this.#proof.length && given.length > 0 && timingSafeEqual(given, this.#proof)
    if (!isProven) throw this.#untrusted('it could not prove that it knows the password')
  }

  #untrusted(why: string): MillraceError {
    return new MillraceError(`${this.#doing}: the server is not trusted: ${why}`, { code: 'AUTH', retry: 'halt' })
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function fieldsOf(text: string): Map<string, string> {
  return new Map(text.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
}
