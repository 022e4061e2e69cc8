import type { Secret } from '../../../core/secret.ts'

/** What requests are signed with. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly sessionToken?: Secret | undefined
  /** Milliseconds since the epoch; absent: they do not expire by themselves. */
  readonly expiresAt?: number | undefined
}

/** One place where credentials come from. */
export interface CredentialSource {
  /** For messages: `the environment`, `the profile "x" in …`. */
  readonly name: string
  /** Reads or fetches them anew. Throws `AUTH` when they are refused or not there. */
  load(): Promise<Credentials>
}
