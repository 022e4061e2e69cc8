import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { Clock, ConnectorContext } from '../../core/context.ts'
import type { OpenStore } from '../../core/file-store.ts'
import type { S3Settings } from '../../core/options.ts'
import {
  newestMetadata,
  parseTableMetadata,
  RestCatalog,
  type TableMetadata,
  type VendedStorage,
} from '../../clients/iceberg/index.ts'
import type { CatalogOptions, IcebergSourceOptions } from './options.ts'
import { below, gone, TableFiles } from './table-files.ts'

/** A table as it was when somebody looked last. */
export interface IcebergTable {
  readonly metadata: TableMetadata
  readonly files: TableFiles
  readFile(address: string): Promise<Uint8Array>
}

export interface TableContext extends Pick<ConnectorContext, 'baseDirectory' | 'openStore'> {
  readonly clock: Pick<Clock, 'sleep'>
}

/** Looks at a table again and again. */
export interface TablePointer {
  /** The same value as before when nothing changed. */
  look(): Promise<IcebergTable>
}

/** Finds the table that the options mean. Nothing is asked before the first look. */
export function pointAtTable(options: IcebergSourceOptions, context: TableContext): TablePointer {
  const { catalog, namespace, name } = options
  if (catalog === undefined) return new FilePointer(options, context)
  return new CatalogPointer(catalog, { namespace: namespace ?? [], name: name ?? '' }, options, context)
}

/** A directory with a version hint, or one metadata file. */
class FilePointer implements TablePointer {
  readonly #address: string
  readonly #options: IcebergSourceOptions
  readonly #openStore: OpenStore
  #file: string | undefined
  #table: IcebergTable | undefined

  constructor(options: IcebergSourceOptions, { baseDirectory, openStore }: TableContext) {
    const address = options.table ?? ''
    const isAddress = /^[a-z0-9]+:/.test(address)
    this.#address = (isAddress ? address : resolve(baseDirectory, address)).replace(/\/+$/, '')
    this.#options = options
    this.#openStore = openStore
  }

  async look(): Promise<IcebergTable> {
    const plain = new TableFiles({ openStore: this.#openStore, s3: this.#options.s3, moved: undefined })
    const isFile = this.#address.endsWith('.json') || this.#address.endsWith('.json.gz')
    const file = isFile ? this.#address : below(this.#address, await this.#newest(plain))
    if (this.#table !== undefined && file === this.#file) return this.#table
    const bytes = await plain.read(file)
    if (bytes === undefined) {
      throw new MillraceError(`opening the Iceberg table ${this.#address}: ${file} is not there`, { code: 'CONFIG' })
    }
    const metadata = parseTableMetadata(bytes, file)
    this.#file = file
    this.#table = tableOf(metadata, this.#options.relocated ? this.#moved(metadata) : plain)
    return this.#table
  }

  #newest(files: TableFiles): Promise<string> {
    const at = (name: string): string => below(this.#address, name)
    const directory = {
      read: (name: string) => files.read(at(name)),
      exists: (name: string) => files.exists(at(name)),
      list: () => files.list(at('metadata')),
    }
    return newestMetadata(directory, this.#address)
  }

  #moved(metadata: TableMetadata): TableFiles {
    const to = this.#address.replace(/\/metadata\/[^/]+$/, '')
    return new TableFiles({
      openStore: this.#openStore,
      s3: this.#options.s3,
      moved: { from: metadata.location, to },
    })
  }
}

class CatalogPointer implements TablePointer {
  readonly #catalog: RestCatalog
  readonly #name: { readonly namespace: readonly string[]; readonly name: string }
  readonly #options: IcebergSourceOptions
  readonly #openStore: OpenStore
  /** Missing while the catalog gives keys: an unchanged table would come without new ones. */
  #etag: string | undefined
  #location: string | undefined
  #table: IcebergTable | undefined

  constructor(
    catalog: CatalogOptions,
    name: { readonly namespace: readonly string[]; readonly name: string },
    options: IcebergSourceOptions,
    { openStore, clock }: TableContext,
  ) {
    const { warehouse, token, credential, scope, tokenUri, uri, allowPlaintext } = catalog
    this.#catalog = new RestCatalog({ uri, warehouse, token, credential, scope, tokenUri, allowPlaintext, clock })
    this.#name = name
    this.#options = options
    this.#openStore = openStore
  }

  async look(): Promise<IcebergTable> {
    const loaded = await this.#catalog.loadTable(this.#name, this.#table === undefined ? undefined : this.#etag)
    if (loaded === 'unchanged' && this.#table !== undefined) return this.#table
    if (loaded === 'unchanged') {
      throw new MillraceError('asking the catalog: it answers "not modified" to a first question', { code: 'DECODE' })
    }
    this.#etag = loaded.storage.credentials === undefined ? loaded.etag : undefined
    const isSame = loaded.metadataLocation !== undefined && loaded.metadataLocation === this.#location
    if (isSame && this.#table !== undefined && loaded.storage.credentials === undefined) return this.#table
    this.#location = loaded.metadataLocation
    const s3 = settingsOf(this.#options, loaded.storage)
    this.#table = tableOf(loaded.metadata, new TableFiles({ openStore: this.#openStore, s3, moved: undefined }))
    return this.#table
  }
}

/** What the user says wins over what the catalog says. */
function settingsOf(options: IcebergSourceOptions, { credentials, ...place }: VendedStorage): S3Settings {
  return { ...place, ...options.s3, ...(credentials !== undefined && { credentials }) }
}

function tableOf(metadata: TableMetadata, files: TableFiles): IcebergTable {
  return {
    metadata,
    files,
    readFile: async (address) => {
      const bytes = await files.read(address)
      if (bytes === undefined) throw gone(address)
      return bytes
    },
  }
}
