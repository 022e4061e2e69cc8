import { isLoopback } from '../../core/host-address.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'

export interface RegistryOptions {
  readonly url: string
  readonly username?: string | undefined
  readonly password?: Secret | undefined
  readonly allowPlaintext?: boolean
}

export interface RegisteredSchema {
  readonly type: string
  readonly schema: string
}

const PATIENCE_MS = 10_000

/** A schema registry with Confluent's API. Schemas never change under their id, so each is asked for once. */
export class SchemaRegistry {
  readonly #options: RegistryOptions
  readonly #byId = new Map<number, Promise<RegisteredSchema>>()

  constructor(options: RegistryOptions) {
    const { protocol, hostname } = new URL(options.url)
    const isPlain = protocol === 'http:' && hostname !== 'localhost' && !isLoopback(hostname)
    if (isPlain && options.password !== undefined && options.allowPlaintext !== true) {
      throw new MillraceError(
        `the password of the schema registry would go to ${hostname} without encryption: use https, or allow it with allowPlaintext`,
        { code: 'CONFIG' },
      )
    }
    this.#options = options
  }

  schema(id: number): Promise<RegisteredSchema> {
    const known = this.#byId.get(id)
    if (known !== undefined) return known
    const asked = this.#ask(`schemas/ids/${id}`)
    this.#byId.set(id, asked)
    // One that failed is asked for again.
    asked.catch(() => this.#byId.delete(id))
    return asked
  }

  latest(subject: string): Promise<RegisteredSchema> {
    return this.#ask(`subjects/${encodeURIComponent(subject)}/versions/latest`)
  }

  async #ask(path: string): Promise<RegisteredSchema> {
    const { url, username, password } = this.#options
    const base = url.endsWith('/') ? url : `${url}/`
    const login =
      password === undefined
        ? {}
        : { authorization: `Basic ${Buffer.from(`${username ?? ''}:${password.reveal()}`).toString('base64')}` }
    const what = `asking the schema registry ${base} for ${path}`
    let answer: Response
    try {
      answer = await fetch(`${base}${path}`, {
        headers: { accept: 'application/vnd.schemaregistry.v1+json, application/json', ...login },
        // A password goes to nobody else.
        redirect: 'error',
        signal: AbortSignal.timeout(PATIENCE_MS),
      })
    } catch (cause) {
      throw new MillraceError(`${what}: ${(cause as Error).message}`, { code: 'UNAVAILABLE', retry: 'restart', cause })
    }
    if (answer.status === 401 || answer.status === 403)
      throw new MillraceError(`${what}: it refuses the login (${answer.status})`, { code: 'AUTH' })
    if (answer.status === 404) throw new MillraceError(`${what}: there is none`, { code: 'DECODE', detail: { path } })
    if (!answer.ok) throw new MillraceError(`${what}: HTTP ${answer.status}`, { code: 'UNAVAILABLE', retry: 'restart' })
    const { schema, schemaType = 'AVRO' } = (await answer.json()) as { schema?: unknown; schemaType?: string }
    if (typeof schema !== 'string') throw new MillraceError(`${what}: the answer has no schema`, { code: 'DECODE' })
    return { type: schemaType, schema }
  }
}
