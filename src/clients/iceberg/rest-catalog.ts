import { MillraceError } from '../../core/errors.ts'
import { Secret } from '../../core/secret.ts'
import { asObject, Fields, parseLossless, type LosslessObject } from './lossless-json.ts'
import { RestHttp, type RestHttpOptions } from './rest-http.ts'
import { tableMetadataFrom, type TableMetadata } from './table-metadata.ts'

/** A REST catalog and how to log in there. Source: apache/iceberg open-api/rest-catalog-open-api.yaml. */
export interface RestCatalogOptions extends RestHttpOptions {
  readonly warehouse: string | undefined
  /** A bearer token. */
  readonly token: Secret | undefined
  /** `client:secret`, or a secret alone, to be exchanged for a token. */
  readonly credential: Secret | undefined
  readonly scope: string | undefined
  /** Where tokens are had; default: the catalog itself. */
  readonly tokenUri: string | undefined
}

export interface TableName {
  readonly namespace: readonly string[]
  readonly name: string
}

/** A table as the catalog hands it out. */
export interface LoadedTable {
  readonly metadata: TableMetadata
  readonly metadataLocation: string | undefined
  readonly etag: string | undefined
  /** Keys and places of its storage, when the catalog gives any. */
  readonly storage: VendedStorage
}

export interface VendedStorage {
  readonly credentials?: {
    readonly accessKeyId: string
    readonly secretAccessKey: Secret
    readonly sessionToken?: Secret
  }
  readonly endpoint?: string
  readonly region?: string
  readonly pathStyle?: boolean
}

/** Between the levels of a namespace, unless the server says otherwise. */
const UNIT_SEPARATOR = '\x1f'

/** Reads tables of a REST catalog. Nothing is ever written. */
export class RestCatalog {
  readonly #options: RestCatalogOptions
  readonly #http: RestHttp
  #base: Promise<{ readonly prefix: string; readonly separator: string }> | undefined
  #token: Promise<Secret | undefined> | undefined

  constructor(options: RestCatalogOptions) {
    this.#options = options
    this.#http = new RestHttp(options)
  }

  /**
   * The table, or `unchanged` when it still is what `etag` stands for.
   *
   * @throws MillraceError `CONFIG` when there is no such table, `AUTH`, `UNAVAILABLE`.
   */
  async loadTable(table: TableName, etag?: string): Promise<LoadedTable | 'unchanged'> {
    const { prefix, separator } = await (this.#base ??= this.#loadConfig().catch((error: unknown) => {
      this.#base = undefined
      throw error
    }))
    const namespace = encodeURIComponent(table.namespace.join(separator))
    const path = `v1/${prefix}namespaces/${namespace}/tables/${encodeURIComponent(table.name)}`
    const what = `the table ${[...table.namespace, table.name].join('.')} of ${this.#options.uri}`
    const reply = await this.#get(path, what, {
      'x-iceberg-access-delegation': 'vended-credentials',
      ...(etag !== undefined && { 'if-none-match': etag }),
    })
    if (reply.status === 304) return 'unchanged'
    if (reply.status === 404) {
      throw new MillraceError(`reading ${what}: the catalog knows no such table`, { code: 'CONFIG' })
    }
    const json = parseLossless(reply.text, what)
    const metadata = asObject(json['metadata'])
    if (metadata === undefined) throw new MillraceError(`reading ${what}: no metadata came`, { code: 'DECODE' })
    const fields = new Fields(json, what)
    return {
      metadata: tableMetadataFrom(metadata, what),
      metadataLocation: fields.has('metadata-location') ? fields.text('metadata-location') : undefined,
      etag: reply.etag,
      storage: storageOf(json, asText(metadata['location'])),
    }
  }

  async #loadConfig(): Promise<{ readonly prefix: string; readonly separator: string }> {
    const { warehouse, uri } = this.#options
    const query = warehouse === undefined ? '' : `?warehouse=${encodeURIComponent(warehouse)}`
    const reply = await this.#get(`v1/config${query}`, `the configuration of ${uri}`, {})
    if (reply.status === 404)
      throw new MillraceError(`asking ${uri}: no REST catalog answers there`, { code: 'CONFIG' })
    const fields = new Fields(parseLossless(reply.text, `the configuration of ${uri}`), uri)
    const config = { ...fields.texts('defaults'), ...fields.texts('overrides') }
    const separator = config['namespace-separator']
    return {
      prefix: config['prefix'] === undefined ? '' : `${config['prefix'].replace(/^\/+|\/+$/g, '')}/`,
      separator: separator === undefined ? UNIT_SEPARATOR : decodeURIComponent(separator),
    }
  }

  async #get(
    path: string,
    what: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ status: number; text: string; etag: string | undefined }> {
    for (let attempt = 1; ; attempt++) {
      const token = await (this.#token ??= this.#login())
      const reply = await this.#http.call({ what, path, headers, ...(token && { token }) })
      // A token may have run out since.
      const mayLogInAgain = reply.status === 401 && attempt === 1 && this.#options.credential !== undefined
      if (!mayLogInAgain) return this.#http.accept(reply, what)
      this.#token = undefined
    }
  }

  async #login(): Promise<Secret | undefined> {
    const { token, credential, scope, tokenUri, uri } = this.#options
    if (credential === undefined) return token
    try {
      const [, id, secret] = /^(?:([^:]*):)?(.*)$/s.exec(credential.reveal()) ?? []
      const form = new URLSearchParams({ grant_type: 'client_credentials', scope: scope ?? 'catalog' })
      if (id !== undefined) form.set('client_id', id)
      form.set('client_secret', secret ?? '')
      const what = `a token for ${uri}`
      const call = { what, form, ...(tokenUri === undefined ? { path: 'v1/oauth/tokens' } : { url: tokenUri }) }
      const reply = this.#http.accept(await this.#http.call({ headers: {}, path: '', ...call }), what)
      return new Secret(new Fields(parseLossless(reply.text, what), what).text('access_token'))
    } catch (error) {
      this.#token = undefined
      throw error
    }
  }
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Of several sets of keys the one whose prefix fits the table best. */
function storageOf(json: LosslessObject, location: string): VendedStorage {
  const fields = new Fields(json, 'the catalog’s answer')
  const sets = fields.has('storage-credentials') ? fields.objects('storage-credentials') : []
  const fitting = sets
    .filter((set) => location.startsWith(asText(set['prefix'])))
    .sort((one, other) => asText(other['prefix']).length - asText(one['prefix']).length)
  const [best] = fitting
  const own = best === undefined ? {} : new Fields(best, 'the catalog’s keys').texts('config')
  return vendedStorage({ ...fields.texts('config'), ...own })
}

/** Names of apache/iceberg aws/src/main/java/org/apache/iceberg/aws/s3/S3FileIOProperties.java. */
function vendedStorage(config: Readonly<Record<string, string>>): VendedStorage {
  const accessKeyId = config['s3.access-key-id']
  const secret = config['s3.secret-access-key']
  const session = config['s3.session-token']
  const endpoint = config['s3.endpoint']
  const region = config['client.region'] ?? config['s3.region']
  const pathStyle = config['s3.path-style-access']
  return {
    ...(accessKeyId !== undefined &&
      secret !== undefined && {
        credentials: {
          accessKeyId,
          secretAccessKey: new Secret(secret),
          ...(session !== undefined && { sessionToken: new Secret(session) }),
        },
      }),
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(pathStyle !== undefined && { pathStyle: pathStyle === 'true' }),
  }
}
