import type { Clock } from '../../core/context.ts'
import { Secret } from '../../core/secret.ts'
import type { CredentialsProvider, SlsCredentials } from '../../clients/sls/index.ts'
import type { SlsSourceOptions } from './options.ts'
import { readSecret, type SecretSource } from './secret-source.ts'

/** References are followed again after so long, so that a token is replaced before the old one ends. */
const FRESH_MS = 60_000

type Given = Pick<SlsSourceOptions, 'accessKeyId' | 'accessKeySecret' | 'securityToken'>

/** The access key of the options, read again when it is old and when the service refuses it. */
export class OptionCredentials implements CredentialsProvider {
  readonly #given: Given
  readonly #baseDirectory: string
  readonly #clock: Clock
  #read: Promise<SlsCredentials> | undefined
  #readAt = 0

  constructor(given: Given, baseDirectory: string, clock: Clock) {
    this.#given = given
    this.#baseDirectory = baseDirectory
    this.#clock = clock
  }

  current(): Promise<SlsCredentials> {
    const now = this.#clock.now()
    if (this.#read === undefined || now - this.#readAt > FRESH_MS) {
      this.#readAt = now
      const reading = this.#readAll()
      this.#read = reading
      reading.catch(() => {
        if (this.#read === reading) this.#read = undefined
      })
    }
    return this.#read
  }

  async refresh(refused: SlsCredentials): Promise<boolean> {
    // Another request may have been refused a moment ago, and have found them.
    if (!areSame(refused, await this.current())) return true
    this.#read = undefined
    return !areSame(refused, await this.current())
  }

  async #readAll(): Promise<SlsCredentials> {
    const { accessKeyId, accessKeySecret, securityToken } = this.#given
    const read = (source: SecretSource): Promise<Secret> => readSecret(source, this.#baseDirectory)
    const [id, secret, token] = await Promise.all([
      read(accessKeyId),
      read(accessKeySecret),
      read(securityToken ?? { text: NO_TOKEN }),
    ])
    return {
      accessKeyId: id.reveal(),
      accessKeySecret: secret,
      ...(token.isEmpty ? {} : { securityToken: token }),
    }
  }
}

const NO_TOKEN = new Secret('')

function areSame(one: SlsCredentials, other: SlsCredentials): boolean {
  return (
    one.accessKeyId === other.accessKeyId &&
    one.accessKeySecret.reveal() === other.accessKeySecret.reveal() &&
    one.securityToken?.reveal() === other.securityToken?.reveal()
  )
}
