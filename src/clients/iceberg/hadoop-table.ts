import { MillraceError } from '../../core/errors.ts'

/** What is needed of a table's directory. */
export interface MetadataDirectory {
  /** A small file below the directory, `undefined` when there is none. */
  read(name: string): Promise<Uint8Array | undefined>
  exists(name: string): Promise<boolean>
  /** Names of the files in `metadata/`. */
  list(): Promise<readonly string[]>
}

/** The endings that writers of different ages use. */
const ENDINGS = ['.metadata.json', '.gz.metadata.json', '.metadata.json.gz'] as const

/**
 * The name (below the table's directory) of the newest metadata file. The hint may be old, so later versions are looked
 * for behind it. Source: apache/iceberg core/src/main/java/org/apache/iceberg/hadoop/HadoopTableOperations.java.
 *
 * @throws MillraceError `CONFIG` when there is no table.
 */
export async function newestMetadata(directory: MetadataDirectory, address: string): Promise<string> {
  const hint = Buffer.from((await directory.read('metadata/version-hint.text')) ?? [])
    .toString('utf8')
    .trim()
  const hinted = /^\d+$/.test(hint) ? Number(hint) : undefined
  let newest = hinted === undefined ? undefined : await fileOf(directory, hinted)
  if (newest === undefined || hinted === undefined) return await newestListed(directory, address)
  for (let version = hinted + 1; ; version++) {
    const next = await fileOf(directory, version)
    if (next === undefined) return newest
    newest = next
  }
}

async function fileOf(directory: MetadataDirectory, version: number): Promise<string | undefined> {
  for (const ending of ENDINGS) {
    const name = `metadata/v${version}${ending}`
    if (await directory.exists(name)) return name
  }
  return undefined
}

/** `v12.metadata.json` of directories, `00012-<uuid>.metadata.json` of catalogs that keep the pointer elsewhere. */
async function newestListed(directory: MetadataDirectory, address: string): Promise<string> {
  const found = (await directory.list()).flatMap((name) => {
    const match = /^(?:v(\d+)|(\d+)-[0-9a-f-]+)(?:\.gz)?\.metadata\.json(?:\.gz)?$/.exec(name)
    return match === null ? [] : [{ name, version: Number(match[1] ?? match[2]), isOurs: match[1] !== undefined }]
  })
  const newest = found.sort((one, other) => one.version - other.version).at(-1)
  if (newest === undefined) {
    throw new MillraceError(`opening the Iceberg table ${address}: there is no metadata/*.metadata.json`, {
      code: 'CONFIG',
    })
  }
  if (!newest.isOurs) {
    throw new MillraceError(
      `opening the Iceberg table ${address}: its metadata is kept by a catalog, and a directory does not tell which ` +
        'file is the newest; use `catalog`, or name the metadata file',
      { code: 'CONFIG' },
    )
  }
  return `metadata/${newest.name}`
}
