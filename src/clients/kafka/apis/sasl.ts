import type { KafkaApi } from '../api.ts'

export interface SaslHandshakeResponse {
  readonly errorCode: number
  readonly mechanisms: readonly string[]
}

/** SaslHandshake v1: names the mechanism; the tokens follow as SaslAuthenticate requests. */
export const saslHandshake: KafkaApi<string, SaslHandshakeResponse> = {
  name: 'SaslHandshake',
  key: 17,
  version: 1,
  header: 'legacy',
  write(writer, mechanism) {
    writer.legacyString(mechanism)
  },
  read(reader) {
    return { errorCode: reader.int16(), mechanisms: reader.legacyArray(() => reader.legacyString()) }
  },
}

export interface SaslAuthenticateResponse {
  readonly errorCode: number
  readonly message: string | null
  readonly token: Buffer
  /** After this time the broker closes the connection unless it is authenticated again; 0: never. */
  readonly sessionLifetimeMs: bigint
}

/** SaslAuthenticate v2. */
export const saslAuthenticate: KafkaApi<Buffer, SaslAuthenticateResponse> = {
  name: 'SaslAuthenticate',
  key: 36,
  version: 2,
  write(writer, token) {
    writer.bytes(token).tags()
  },
  read(reader) {
    const errorCode = reader.int16()
    const message = reader.nullableString()
    const token = Buffer.from(reader.bytes())
    return { errorCode, message, token, sessionLifetimeMs: reader.int64() }
  },
}
