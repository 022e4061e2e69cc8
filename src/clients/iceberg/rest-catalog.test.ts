/** A catalog that behaves well and badly, over real HTTP on loopback. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Secret } from '../../core/secret.ts'
import { RestCatalog, type RestCatalogOptions } from './rest-catalog.ts'

const METADATA = {
  'format-version': 2,
  'table-uuid': 'u',
  location: 's3://lake/db/t',
  'current-schema-id': 0,
  schemas: [{ type: 'struct', 'schema-id': 0, fields: [] }],
  'partition-specs': [],
}
const TABLE = { 'metadata-location': 's3://lake/db/t/metadata/00001-u.metadata.json', metadata: METADATA }

interface Answer {
  readonly status?: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

interface Asked {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Answers with the first rule that gives something. */
class Catalog implements AsyncDisposable {
  readonly asked: Asked[] = []
  readonly paused: number[] = []
  readonly #server = createServer((request, response) => {
    void (async () => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part as Buffer)
      const asked = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(parts).toString() }
      this.asked.push(asked)
      const { status = 200, body = {}, headers = {} } = this.#rules(asked) ?? { status: 404 }
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(status === 304 ? undefined : JSON.stringify(body))
    })()
  })
  readonly #rules: (asked: Asked) => Answer | undefined

  private constructor(rules: (asked: Asked) => Answer | undefined) {
    this.#rules = rules
  }

  static async start(rules: (asked: Asked) => Answer | undefined): Promise<Catalog> {
    const catalog = new Catalog(rules)
    catalog.#server.listen(0, '127.0.0.1')
    await once(catalog.#server, 'listening')
    return catalog
  }

  get uri(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/api`
  }

  /** A client of this catalog, whose pauses take no time. */
  client(options: Partial<RestCatalogOptions> = {}): RestCatalog {
    const none = {
      warehouse: undefined,
      token: undefined,
      credential: undefined,
      scope: undefined,
      tokenUri: undefined,
    }
    const sleep = async (ms: number): Promise<void> => void this.paused.push(ms)
    return new RestCatalog({ uri: this.uri, allowPlaintext: false, clock: { sleep }, ...none, ...options })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

const NAME = { namespace: ['a', 'b c'], name: 't/1' }

test('prefix, separator and warehouse are the server’s', async () => {
  await using catalog = await Catalog.start(({ path }) => {
    if (path === '/api/v1/config?warehouse=w%201') {
      return { body: { defaults: { prefix: 'old' }, overrides: { prefix: 'p/q', 'namespace-separator': '%2E' } } }
    }
    return path === '/api/v1/p/q/namespaces/a.b%20c/tables/t%2F1' ? { body: TABLE } : undefined
  })
  const loaded = await catalog.client({ warehouse: 'w 1' }).loadTable(NAME)
  assert.ok(loaded !== 'unchanged')
  assert.equal(loaded.metadata.uuid, 'u')
  assert.equal(loaded.metadataLocation, TABLE['metadata-location'])
})

test('levels are joined by the unit separator unless the server says otherwise', async () => {
  await using catalog = await Catalog.start(({ path }) => {
    if (path === '/api/v1/config') return { body: { defaults: {}, overrides: {} } }
    return path === '/api/v1/namespaces/a%1Fb%20c/tables/t%2F1' ? { body: TABLE } : undefined
  })
  assert.notEqual(await catalog.client().loadTable(NAME), 'unchanged')
})

test('a catalog that answers 503 is asked again with growing pauses, and not for ever', async () => {
  let refusals = 3
  await using catalog = await Catalog.start(({ path }) => {
    if (refusals-- > 0) return { status: 503 }
    return { body: path.endsWith('config') ? {} : TABLE }
  })
  assert.notEqual(await catalog.client().loadTable(NAME), 'unchanged')
  assert.equal(catalog.paused.length, 3)
  refusals = Number.POSITIVE_INFINITY
  const error = { code: 'UNAVAILABLE', retry: 'restart', message: /503/ }
  await assert.rejects(catalog.client().loadTable(NAME), error)
})

test('a catalog that is not there is UNAVAILABLE', async () => {
  const catalog = await Catalog.start(() => undefined)
  const client = catalog.client()
  await catalog[Symbol.asyncDispose]()
  await assert.rejects(client.loadTable(NAME), { code: 'UNAVAILABLE', retry: 'restart', message: /ECONNREFUSED/ })
})

test('a table that did not change is not sent again', async () => {
  await using catalog = await Catalog.start(({ path, headers }) => {
    if (path.endsWith('config')) return { body: {} }
    return headers['if-none-match'] === '"7"' ? { status: 304 } : { body: TABLE, headers: { etag: '"7"' } }
  })
  const client = catalog.client()
  const loaded = await client.loadTable(NAME)
  assert.ok(loaded !== 'unchanged')
  assert.equal(await client.loadTable(NAME, loaded.etag), 'unchanged')
})

test('a credential becomes a token, and a token that ran out a new one', async () => {
  let tokens = 0
  await using catalog = await Catalog.start(({ path, headers }) => {
    if (path === '/api/v1/oauth/tokens') return { body: { access_token: `t${++tokens}` } }
    if (path.endsWith('config')) return { body: {} }
    // The first one is good for nothing but the configuration.
    return headers.authorization === 'Bearer t2' ? { body: TABLE } : { status: 401 }
  })
  await catalog.client({ credential: new Secret('me:s:ecret'), scope: 'read' }).loadTable(NAME)
  const form = new URLSearchParams(catalog.asked[0]?.body)
  assert.deepEqual(Object.fromEntries(form), {
    grant_type: 'client_credentials',
    scope: 'read',
    client_id: 'me',
    client_secret: 's:ecret',
  })
})

test('refusals, absent tables and redirects are told apart', async () => {
  const cases: readonly [status: number, code: string][] = [
    [401, 'AUTH'],
    [403, 'AUTH'],
    [404, 'CONFIG'],
    [302, 'REDIRECT_DENIED'],
    [400, 'CONFIG'],
  ]
  for (const [status, code] of cases) {
    await using catalog = await Catalog.start(({ path }) =>
      path.endsWith('config') ? { body: {} } : { status, headers: { location: 'http://127.0.0.1:1/' } },
    )
    await assert.rejects(catalog.client({ token: new Secret('top-secret') }).loadTable(NAME), (error: Error) => {
      assert.equal((error as { code?: string }).code, code)
      assert.doesNotMatch(error.message, /top-secret/)
      return true
    })
  }
})

test('a secret does not go unencrypted to another machine unless that is allowed', async () => {
  await using catalog = await Catalog.start(() => undefined)
  const uri = 'http://catalog.example'
  await assert.rejects(catalog.client({ uri, token: new Secret('x') }).loadTable(NAME), {
    code: 'CONFIG',
    message: /allowPlaintext/,
  })
})

test('keys that the catalog gives for the table’s place are taken', async () => {
  const config = (id: string): object => ({
    's3.access-key-id': id,
    's3.secret-access-key': 's',
    's3.session-token': 't',
  })
  await using catalog = await Catalog.start(({ path }) =>
    path.endsWith('config')
      ? { body: {} }
      : {
          body: {
            ...TABLE,
            config: { 's3.endpoint': 'http://s3', 'client.region': 'eu-1', 's3.path-style-access': 'true' },
            'storage-credentials': [
              { prefix: 's3://', config: config('wide') },
              { prefix: 's3://lake/db', config: config('narrow') },
              { prefix: 's3://other', config: config('other') },
            ],
          },
        },
  )
  const loaded = await catalog.client().loadTable(NAME)
  assert.ok(loaded !== 'unchanged')
  const { credentials, ...place } = loaded.storage
  assert.deepEqual(place, { endpoint: 'http://s3', region: 'eu-1', pathStyle: true })
  assert.equal(credentials?.accessKeyId, 'narrow')
  assert.equal(credentials?.sessionToken?.reveal(), 't')
  assert.equal(catalog.asked.at(-1)?.headers['x-iceberg-access-delegation'], 'vended-credentials')
})

test('an answer that is no table is damaged', async () => {
  await using catalog = await Catalog.start(({ path }) => ({ body: path.endsWith('config') ? {} : { metadata: 5 } }))
  await assert.rejects(catalog.client().loadTable(NAME), { code: 'DECODE' })
})
