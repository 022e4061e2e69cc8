import { MillraceError } from '../../core/errors.ts'
import type { FileStore } from '../../core/file-store.ts'
import type { Instant } from './instant.ts'
import type { HudiTable } from './table.ts'

/** Stands for null and for the empty text in a partition path. */
const DEFAULT_PARTITION = '__HIVE_DEFAULT_PARTITION__'

/** What PartitionPathEncodeUtils.java of Apache Hudi escapes: control characters and these. */
const ESCAPED = /[\x00-\x1f\x7f"#%'*/:=?\\{[\]^]/g

/**
 * The directory of a partition below the table, from the values as text; `''` when the table has no partitions.
 * A value that would need an escape is refused (POISON) when the table does not encode its paths: a `/` in it would
 * make a directory that readers do not find.
 */
export function partitionPath(table: HudiTable, values: readonly (string | null)[]): string {
  const parts = table.partitionFields.map((field, at) => {
    const value = values[at] ?? ''
    const encoded = value === '' ? DEFAULT_PARTITION : encodeValue(table, field, value)
    return table.hiveStyle ? `${field}=${encoded}` : encoded
  })
  return parts.join('/')
}

function encodeValue(table: HudiTable, field: string, value: string): string {
  const encoded = value.replace(ESCAPED, (char) => `%${hex(char.charCodeAt(0))}`)
  const dots = !table.hiveStyle && value.startsWith('.')
  if (dots || (!table.urlEncode && encoded !== value)) throw unfit(field)
  return encoded
}

function unfit(field: string): MillraceError {
  return new MillraceError(
    `a value of the partition column ${field} cannot be a directory name (it contains a character such as / : = %, ` +
      'or begins with a dot); replace such characters in a transform, or create the table with encoded partition paths',
    { code: 'POISON' },
  )
}

function hex(code: number): string {
  return code.toString(16).toUpperCase().padStart(2, '0')
}

function partitionMetadataPath(partition: string): string {
  return joinPath(partition, '.hoodie_partition_metadata')
}

/** Spark finds partitions only by this file: without it a read silently returns nothing. The first writer wins. */
export async function ensurePartition(
  store: FileStore,
  table: HudiTable,
  partition: string,
  instant: Instant,
): Promise<void> {
  const path = partitionMetadataPath(partition)
  // If it is there but not durable yet, the sync of our data file's name, in the same directory, makes it so.
  if ((await store.size(path)) !== undefined) return
  const text = `commitTime=${instant}\npartitionDepth=${table.partitionFields.length}\n`
  await store.create(path, Buffer.from(text))
}

export function joinPath(partition: string, name: string): string {
  return partition === '' ? name : `${partition}/${name}`
}

/** Directory and name of a path below the table. */
export function splitPath(path: string): { readonly partition: string; readonly name: string } {
  const at = path.lastIndexOf('/')
  return { partition: path.slice(0, Math.max(0, at)), name: path.slice(at + 1) }
}
