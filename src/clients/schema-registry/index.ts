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

/** As registries name them. */
export type SchemaType = 'AVRO' | 'PROTOBUF' | 'JSON'

export interface Compatibility {
  readonly isCompatible: boolean
  /** What the registry has against the schema, where it says so. */
  readonly reasons: readonly string[]
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

  /** The newest schema of a subject, with its id. */
  async latest(subject: string): Promise<RegisteredSchema & { readonly id: number }> {
    const path = `subjects/${encodeURIComponent(subject)}/versions/latest`
    const answer = await this.#call('GET', path)
    return { ...schemaOf(answer, path), id: idOf(answer, path) }
  }

  /** Whether the newest version of a subject allows this schema behind it. A subject without versions allows every one. */
  async compatibility(subject: string, type: SchemaType, schema: string): Promise<Compatibility> {
    const path = `compatibility/subjects/${encodeURIComponent(subject)}/versions/latest?verbose=true`
    const answer = await this.#call('POST', path, bodyOf(type, schema), true)
    if (answer === undefined) return { isCompatible: true, reasons: [] }
    const { is_compatible: isCompatible, messages } = answer
    const reasons = Array.isArray(messages) ? messages.filter((message) => typeof message === 'string') : []
    return { isCompatible: isCompatible === true, reasons }
  }

  /** The id of this schema in the subject, `undefined` where it is not in there. */
  async find(subject: string, type: SchemaType, schema: string): Promise<number | undefined> {
    const path = `subjects/${encodeURIComponent(subject)}`
    const answer = await this.#call('POST', path, bodyOf(type, schema), true)
    return answer === undefined ? undefined : idOf(answer, path)
  }

  /** Registers the schema as the next version of the subject; one that is there already keeps its id. */
  async register(subject: string, type: SchemaType, schema: string): Promise<number> {
    const path = `subjects/${encodeURIComponent(subject)}/versions`
    return idOf((await this.#call('POST', path, bodyOf(type, schema))) ?? {}, path)
  }

  async #ask(path: string): Promise<RegisteredSchema> {
    return schemaOf(await this.#call('GET', path), path)
  }

  async #call(method: 'GET' | 'POST', path: string, body?: string): Promise<Answer>
  async #call(method: 'GET' | 'POST', path: string, body: string, mayLack: true): Promise<Answer | undefined>
  async #call(method: 'GET' | 'POST', path: string, body?: string, mayLack = false): Promise<Answer | undefined> {
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
        method,
        headers: {
          accept: 'application/vnd.schemaregistry.v1+json, application/json',
          ...(body !== undefined && { 'content-type': 'application/vnd.schemaregistry.v1+json' }),
          ...login,
        },
        ...(body !== undefined && { body }),
        // A password goes to nobody else.
        redirect: 'error',
        signal: AbortSignal.timeout(PATIENCE_MS),
      })
    } catch (cause) {
      throw new MillraceError(`${what}: ${(cause as Error).message}`, { code: 'UNAVAILABLE', retry: 'restart', cause })
    }
    if (answer.status === 401 || answer.status === 403)
      throw new MillraceError(`${what}: it refuses the login (${answer.status})`, { code: 'AUTH' })
    if (answer.status === 404 && mayLack) return undefined
    if (answer.status === 404)
      throw new MillraceError(`${what}: there is none`, {
        code: 'DECODE',
        detail: { path, status: answer.status },
      })
    if (answer.status === 409 || answer.status === 422)
      throw new MillraceError(`${what}: it refuses the schema (${answer.status}): ${await reasonOf(answer)}`, {
        code: 'SCHEMA',
      })
    if (!answer.ok) throw new MillraceError(`${what}: HTTP ${answer.status}`, { code: 'UNAVAILABLE', retry: 'restart' })
    return (await answer.json()) as Answer
  }
}

type Answer = Readonly<Record<string, unknown>>

function bodyOf(type: SchemaType, schema: string): string {
  // Older registries know Avro only, and no type.
  return JSON.stringify({ ...(type !== 'AVRO' && { schemaType: type }), schema })
}

function schemaOf({ schema, schemaType = 'AVRO' }: Answer, path: string): RegisteredSchema {
  if (typeof schema !== 'string' || typeof schemaType !== 'string') throw incomplete(path, 'schema')
  return { type: schemaType, schema }
}

function idOf({ id }: Answer, path: string): number {
  if (typeof id !== 'number') throw incomplete(path, 'id')
  return id
}

function incomplete(path: string, what: string): MillraceError {
  return new MillraceError(`asking the schema registry for ${path}: the answer has no ${what}`, { code: 'DECODE' })
}

async function reasonOf(answer: Response): Promise<string> {
  const { message } = (await answer.json().catch(() => ({}))) as { message?: unknown }
  return typeof message === 'string' ? message.slice(0, 500) : 'it does not say why'
}
