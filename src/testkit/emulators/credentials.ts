import type { IncomingHttpHeaders } from 'node:http'

export type CredentialCheck = 'good' | 'wrong' | 'missing'

/** HTTP Basic against the emulator's one user. */
export function checkCredentials(headers: IncomingHttpHeaders, username: string, password: string): CredentialCheck {
  const encoded = /^Basic\s+([A-Za-z0-9+/=]+)\s*$/i.exec(headers.authorization ?? '')?.[1]
  if (encoded === undefined) return 'missing'
  const text = Buffer.from(encoded, 'base64').toString()
  if (!text.includes(':')) return 'missing'
  return text === `${username}:${password}` ? 'good' : 'wrong'
}

/** The user's name in the credentials, for error texts. */
export function userOf(headers: IncomingHttpHeaders): string {
  const encoded = /^Basic\s+([A-Za-z0-9+/=]+)\s*$/i.exec(headers.authorization ?? '')?.[1] ?? ''
  return Buffer.from(encoded, 'base64').toString().split(':', 1)[0] ?? ''
}
