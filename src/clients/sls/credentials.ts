import type { Secret } from '../../core/secret.ts'

/** An access key, permanent or temporary. The three belong together. */
export interface SlsCredentials {
  readonly accessKeyId: string
  readonly accessKeySecret: Secret
  /** A temporary key is only good with its token. */
  readonly securityToken?: Secret
}

/** Where credentials come from. They are asked for with every request, so that rotated ones are used at once. */
export interface CredentialsProvider {
  current(): Promise<SlsCredentials>
  /**
   * Called when the service refuses these, by every request that was refused: looks for newer ones. True when the current
   * ones are others now; false: there is nothing else to try.
   */
  refresh(refused: SlsCredentials): Promise<boolean>
}

/** Credentials that never change. */
export function fixedCredentials(credentials: SlsCredentials): CredentialsProvider {
  return { current: async () => credentials, refresh: async () => false }
}
