import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RegisteredSchema } from '../clients/schema-registry/index.ts'

type Answer = readonly [status: number, body: object]

/**
 * A schema registry with the part of Confluent's API that Millrace uses. Ids belong to schemas, versions to subjects, as in
 * the real one; whether a schema is compatible is what the test says.
 */
export class SchemaRegistryServer implements AsyncDisposable {
  readonly url: string
  /** Method and path of every request. */
  readonly asked: string[] = []
  /** Why the next schema is refused; empty: it is not. */
  objections: readonly string[] = []
  /** Answers nothing but errors. */
  isDown = false
  readonly #server: Server
  readonly #schemas: RegisteredSchema[] = []
  readonly #subjects = new Map<string, number[]>()

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(): Promise<SchemaRegistryServer> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const registry = new SchemaRegistryServer(server)
    server.on('request', (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const [status, body] = registry.#answer(`${request.method} ${request.url}`, Buffer.concat(chunks).toString())
        response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
        response.end(JSON.stringify(body))
      })
    })
    return registry
  }

  /** Puts a schema behind the others of its subject, whatever `objections` there are; tells its id. */
  add(subject: string, schema: string | object, type = 'AVRO'): number {
    const text = typeof schema === 'string' ? schema : JSON.stringify(schema)
    const known = this.#schemas.findIndex((one) => one.type === type && one.schema === text)
    const id = known >= 0 ? known + 1 : this.#schemas.push({ type, schema: text })
    const versions = this.#subjects.get(subject) ?? []
    if (!versions.includes(id)) this.#subjects.set(subject, [...versions, id])
    return id
  }

  /** Texts of a subject's schemas, the oldest first. */
  versions(subject: string): string[] {
    return (this.#subjects.get(subject) ?? []).map((id) => this.#schemas[id - 1]?.schema ?? '')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #answer(request: string, text: string): Answer {
    this.asked.push(request)
    if (this.isDown) return [503, { error_code: 50_003, message: 'down' }]
    const { schema = '', schemaType = 'AVRO' } = (text === '' ? {} : JSON.parse(text)) as Record<string, string>
    const [, id] = /^GET \/schemas\/ids\/(\d+)$/.exec(request) ?? []
    if (id !== undefined) return this.#described(Number(id))
    const [, verb = '', path = ''] = /^(\w+) (?:\/compatibility)?\/subjects\/([^?]+)/.exec(request) ?? []
    const [subject = '', ...rest] = path.split('/').map(decodeURIComponent)
    const latest = this.#subjects.get(subject)?.at(-1)
    if (request.includes(' /compatibility/')) {
      if (latest === undefined) return NONE
      return [200, { is_compatible: this.objections.length === 0, messages: this.objections }]
    }
    if (verb === 'GET') return latest === undefined ? NONE : this.#described(latest)
    if (rest[0] !== 'versions') return this.#found(subject, schema, schemaType)
    if (this.objections.length > 0) return [409, { error_code: 409, message: this.objections.join('; ') }]
    return [200, { id: this.add(subject, schema, schemaType) }]
  }

  #described(id: number): Answer {
    const found = this.#schemas[id - 1]
    // The real one leaves the type out where it is Avro.
    return found === undefined
      ? NONE
      : [200, { id, schema: found.schema, ...(found.type !== 'AVRO' && { schemaType: found.type }) }]
  }

  #found(subject: string, schema: string, type: string): Answer {
    const id = this.#subjects.get(subject)?.find((one) => {
      const known = this.#schemas[one - 1]
      return known?.schema === schema && known.type === type
    })
    return id === undefined ? NONE : [200, { id, subject, schema }]
  }
}

const NONE: Answer = [404, { error_code: 40_403, message: 'not found' }]
