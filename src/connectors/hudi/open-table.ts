import type { Finding } from '../../core/checkpoint-types.ts'
import type { Logger } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { FileStore } from '../../core/file-store.ts'
import type { StoredSchema } from './avro-schema.ts'
import { compareSchemas } from './compare-schemas.ts'
import { decodeCommit } from './commit-metadata.ts'
import type { Properties } from './properties-file.ts'
import {
  checkProperties,
  compareTables,
  createTable,
  hasMetadataTable,
  type HudiTable,
  readProperties,
  tableOf,
} from './table.ts'
import { loadTimeline, readInstant } from './timeline.ts'

/** Makes the table if it is missing; refuses one that we may not append to, with all reasons at once. */
export async function openTable(
  store: FileStore,
  target: { readonly table: HudiTable; readonly stored: StoredSchema },
  log: Logger,
): Promise<void> {
  if ((await createTable(store, target.table, target.stored.avro)) === 'created') {
    log.info(`made the Hudi table ${target.table.name} in ${store.root}`)
    return
  }
  const properties = (await readProperties(store)) ?? {}
  const findings = [
    ...checkProperties(properties, await hasMetadataTable(store)),
    ...compareTables(target.table, tableOf(properties)),
    ...compareSchemas(target.stored.avro, await currentSchema(store, properties)),
  ]
  for (const { severity, message, hint } of findings) if (severity === 'warning') log.warn(message, { hint })
  refuse(
    store,
    findings.filter(({ severity }) => severity === 'error'),
  )
}

function refuse(store: FileStore, errors: readonly Finding[]): void {
  const [first] = errors
  if (first === undefined) return
  const reasons = errors.map(({ message, hint }) => (hint === undefined ? message : `${message} → ${hint}`))
  throw new MillraceError(`the Hudi table ${store.root} cannot be appended to: ${reasons.join('; ')}`, {
    code: first.code === 'SCHEMA' ? 'SCHEMA' : 'PREFLIGHT',
  })
}

/** The schema of the newest commit that names one, else that of the table's creation. */
async function currentSchema(store: FileStore, properties: Properties): Promise<string | undefined> {
  const { completedWrites } = await loadTimeline(store)
  for (const instant of completedWrites.toReversed()) {
    const bytes = await readInstant(store, instant, 'completed')
    const schema = bytes === undefined ? undefined : decodeCommit(bytes, instant.time).extra['schema']
    if (schema !== undefined && schema !== '') return schema
  }
  return properties['hoodie.table.create.schema']
}
