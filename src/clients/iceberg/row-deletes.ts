import type { ContentFile } from './manifest.ts'
import type { PartitionSpec } from './table-metadata.ts'

/** The delete files that take rows of one data file away. */
export interface RowDeletes {
  readonly positions: readonly ContentFile[]
  readonly equality: readonly ContentFile[]
}

export const NO_DELETES: RowDeletes = { positions: [], equality: [] }

/** The reserved column `file_path` of position delete files. Source: apache/iceberg format/spec.md, "Reserved Field IDs". */
const FILE_PATH_ID = 2_147_483_546

/**
 * Finds the deletes of data files. Source: apache/iceberg format/spec.md, "Scan Planning":
 * - position deletes apply in their partition, to files that are not newer;
 * - equality deletes apply to strictly older files, in their partition, or everywhere when their spec is unpartitioned.
 */
export class DeleteIndex {
  readonly #positions = new Map<string, ContentFile[]>()
  readonly #equality = new Map<string, ContentFile[]>()
  readonly #everywhere: ContentFile[] = []

  constructor(deletes: readonly ContentFile[], specs: ReadonlyMap<number, PartitionSpec>) {
    for (const file of deletes) {
      if (file.content === 'position-deletes') put(this.#positions, partitionKey(file), file)
      else if (isUnpartitioned(specs.get(file.specId))) this.#everywhere.push(file)
      else put(this.#equality, partitionKey(file), file)
    }
  }

  of(data: ContentFile): RowDeletes {
    const key = partitionKey(data)
    const positions = (this.#positions.get(key) ?? []).filter(
      (deletes) => data.sequenceNumber <= deletes.sequenceNumber && mayName(deletes, data.path),
    )
    const equality = [...this.#everywhere, ...(this.#equality.get(key) ?? [])].filter(
      (deletes) => data.sequenceNumber < deletes.sequenceNumber,
    )
    return positions.length === 0 && equality.length === 0 ? NO_DELETES : { positions, equality }
  }
}

/** Void fields are what version 1 leaves of dropped partition fields. */
function isUnpartitioned(spec: PartitionSpec | undefined): boolean {
  return spec === undefined || spec.fields.every(({ transform }) => transform === 'void')
}

/** Bounds of `file_path` are cut short by some writers, but a cut upper bound is rounded up. */
function mayName(deletes: ContentFile, path: string): boolean {
  if (deletes.referencedDataFile !== undefined) return deletes.referencedDataFile === path
  const bytes = Buffer.from(path)
  const lower = deletes.lower.get(FILE_PATH_ID)
  const upper = deletes.upper.get(FILE_PATH_ID)
  return !(lower !== undefined && lower.compare(bytes) > 0) && !(upper !== undefined && upper.compare(bytes) < 0)
}

function partitionKey({ specId, partition }: ContentFile): string {
  const values = [...partition].map(([id, value]) => {
    const text = Buffer.isBuffer(value) ? value.toString('hex') : String(value)
    return `${id}:${text.length}:${text}`
  })
  return `${specId} ${values.sort().join()}`
}

function put(map: Map<string, ContentFile[]>, key: string, file: ContentFile): void {
  const files = map.get(key)
  if (files === undefined) map.set(key, [file])
  else files.push(file)
}
