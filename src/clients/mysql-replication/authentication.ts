import { constants, createHash, publicEncrypt } from 'node:crypto'
import { MillraceError } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'

function sha(algorithm: 'sha1' | 'sha256', ...parts: readonly (Buffer | string)[]): Buffer {
  const hash = createHash(algorithm)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function xor(left: Buffer, right: Buffer): Buffer {
  return Buffer.from(left.map((byte, at) => byte ^ (right[at % right.length] ?? 0)))
}

/**
 * The first answer to the server's nonce, by the method that it names. The password itself is never sent by these two.
 * Sources: MySQL client/server protocol, "Native Authentication" and "Caching SHA-2 Pluggable Authentication".
 */
export function scramble(plugin: string, password: Secret, nonce: Buffer): Buffer {
  const text = password.reveal()
  if (text === '') return Buffer.alloc(0)
  switch (plugin) {
    case 'mysql_native_password': {
      const once = sha('sha1', text)
      return xor(once, sha('sha1', nonce, sha('sha1', once)))
    }
    case 'caching_sha2_password': {
      const once = sha('sha256', text)
      return xor(once, sha('sha256', sha('sha256', once), nonce))
    }
    default:
      throw new MillraceError(
        `logging in to MySQL: the server asks for the method ${plugin}, which is not supported. Create the user with ` +
          'caching_sha2_password (MySQL) or mysql_native_password (MariaDB)',
        { code: 'AUTH', detail: { plugin } },
      )
  }
}

/** The password as the full exchange of caching_sha2_password wants it on a connection that is encrypted already. */
export function clearPassword(password: Secret): Buffer {
  return Buffer.from(`${password.reveal()}\0`)
}

/** The password for the server's RSA key alone, for connections without TLS. */
export function encryptedPassword(password: Secret, nonce: Buffer, publicKey: string): Buffer {
  return publicEncrypt(
    { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING },
    xor(clearPassword(password), nonce),
  )
}
