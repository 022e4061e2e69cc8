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

interface Wanted {
  readonly table: HudiTable
  readonly stored: StoredSchema
  readonly schemaChange: 'fail' | 'evolve'
}

export interface ExaminedTable {
  readonly findings: readonly Finding[]
  /** The Avro schema of commits from now on, as JSON text. */
  readonly schema: string
}

/** Whether rows of this shape may be appended to the table that is there, if there is one. Changes nothing. */
export async function examineTable(store: FileStore, { table, stored, schemaChange }: Wanted): Promise<ExaminedTable> {
  const properties = await readProperties(store)
  if (properties === undefined) return { findings: [], schema: stored.avro }
  const checked = checkProperties(properties, await hasMetadataTable(store))
  const findings = [...checked, ...compareTables(table, tableOf(properties))]
  // The timeline of another version means something else.
  if (isRefused(checked)) return { findings, schema: stored.avro }
  const compared = compareSchemas(stored.avro, await currentSchema(store, properties), schemaChange)
  findings.push(...compared.findings)
  if (compared.added.length > 0 && schemaChange === 'evolve') {
    const message = `the next commit adds columns to the Hudi table: ${compared.added.join()}`
    findings.push({ severity: 'info', code: 'SCHEMA', message })
  }
  return { findings, schema: compared.schema }
}

/**
 * Makes the table if it is missing; refuses one that we may not append to, with all reasons at once. Returns the Avro
 * schema of commits from now on.
 */
export async function openTable(store: FileStore, wanted: Wanted, log: Logger): Promise<string> {
  if ((await createTable(store, wanted.table, wanted.stored.avro)) === 'created') {
    log.info(`made the Hudi table ${wanted.table.name} in ${store.root}`)
    return wanted.stored.avro
  }
  const { findings, schema } = await examineTable(store, wanted)
  for (const { severity, message, hint } of findings) {
    if (severity === 'warning') log.warn(message, { hint })
    if (severity === 'info') log.info(message)
  }
  refuse(store, findings)
  return schema
}

function isRefused(findings: readonly Finding[]): boolean {
  return findings.some(({ severity }) => severity === 'error')
}

function refuse(store: FileStore, findings: readonly Finding[]): void {
  const errors = findings.filter(({ severity }) => severity === 'error')
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
