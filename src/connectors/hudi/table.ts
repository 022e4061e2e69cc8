import type { Finding } from '../../core/checkpoint-types.ts'
import { MillraceError } from '../../core/errors.ts'
import type { FileStore } from '../../core/file-store.ts'
import { formatProperties, parseProperties, type Properties, tableChecksum } from './properties-file.ts'

/** What `hoodie.properties` says about a table that we may write. */
export interface HudiTable {
  readonly name: string
  readonly database: string
  readonly partitionFields: readonly string[]
  readonly recordKeyFields: readonly string[]
  /** `a=1/b=2` instead of `1/2`. */
  readonly hiveStyle: boolean
  readonly urlEncode: boolean
}

export const PROPERTIES_PATH = '.hoodie/hoodie.properties'
const BACKUP_PATH = '.hoodie/hoodie.properties.backup'

const KEY_GENERATORS: Readonly<Record<string, string>> = {
  NonpartitionedKeyGenerator: 'NON_PARTITION',
  SimpleKeyGenerator: 'SIMPLE',
  ComplexKeyGenerator: 'COMPLEX',
}

/** The properties of a new table, version 6: the newest that every current reader and writer accepts. */
export function tableProperties(table: HudiTable, avroSchema: string): Properties {
  const keyed =
    table.recordKeyFields.length > 0 ? { 'hoodie.table.recordkey.fields': table.recordKeyFields.join() } : {}
  const partitioned =
    table.partitionFields.length > 0 ? { 'hoodie.table.partition.fields': table.partitionFields.join() } : {}
  return {
    'hoodie.table.name': table.name,
    ...(table.database === '' ? {} : { 'hoodie.database.name': table.database }),
    'hoodie.table.type': 'COPY_ON_WRITE',
    'hoodie.table.version': '6',
    'hoodie.timeline.layout.version': '1',
    'hoodie.archivelog.folder': 'archived',
    'hoodie.table.base.file.format': 'PARQUET',
    'hoodie.table.timeline.timezone': 'UTC',
    'hoodie.populate.meta.fields': 'true',
    ...keyed,
    ...partitioned,
    'hoodie.table.keygenerator.class': `org.apache.hudi.keygen.${keyGeneratorOf(table)}`,
    'hoodie.datasource.write.hive_style_partitioning': String(table.hiveStyle),
    'hoodie.datasource.write.partitionpath.urlencode': String(table.urlEncode),
    'hoodie.datasource.write.drop.partition.columns': 'false',
    'hoodie.partition.metafile.use.base.format': 'false',
    'hoodie.table.create.schema': avroSchema,
    'hoodie.table.checksum': tableChecksum(table.database, table.name),
  }
}

function keyGeneratorOf({ partitionFields, recordKeyFields }: HudiTable): string {
  if (partitionFields.length === 0) return 'NonpartitionedKeyGenerator'
  return partitionFields.length === 1 && recordKeyFields.length <= 1 ? 'SimpleKeyGenerator' : 'ComplexKeyGenerator'
}

/** Makes the table by creating its properties: a table without them is no table, so there is no half-made one. */
export async function createTable(
  store: FileStore,
  table: HudiTable,
  avroSchema: string,
): Promise<'created' | 'exists'> {
  return await store.create(PROPERTIES_PATH, Buffer.from(formatProperties(tableProperties(table, avroSchema))))
}

/** The properties, or `undefined` when there is no table. Java replaces them through a backup copy. */
export async function readProperties(store: FileStore): Promise<Properties | undefined> {
  const bytes = (await store.read(PROPERTIES_PATH)) ?? (await store.read(BACKUP_PATH))
  return bytes === undefined ? undefined : parseProperties(Buffer.from(bytes).toString())
}

export function tableOf(properties: Properties): HudiTable {
  return {
    name: properties['hoodie.table.name'] ?? '',
    database: properties['hoodie.database.name'] ?? '',
    partitionFields: fields(properties['hoodie.table.partition.fields']),
    recordKeyFields: fields(properties['hoodie.table.recordkey.fields']),
    hiveStyle: properties['hoodie.datasource.write.hive_style_partitioning'] === 'true',
    urlEncode: properties['hoodie.datasource.write.partitionpath.urlencode'] === 'true',
  }
}

/** Looks for a metadata table's files, which a property may not mention while they are being made. */
export async function hasMetadataTable(store: FileStore): Promise<boolean> {
  for await (const _ of store.list('.hoodie/metadata/')) return true
  return false
}

/**
 * Why we may not append to a table, checked before the start and again before every commit: another writer with default
 * settings upgrades the table or adds a metadata table, and then readers would not see what we commit.
 */
export function checkProperties(properties: Properties, metadataTable: boolean): readonly Finding[] {
  const findings: Finding[] = []
  const refuse = (message: string, hint: string): void => {
    findings.push({ severity: 'error', code: 'PREFLIGHT', message, hint })
  }
  const expect = (key: string, accepted: readonly (string | undefined)[], hint: string): void => {
    if (!accepted.includes(properties[key])) refuse(`${key} is ${properties[key] ?? 'missing'}`, hint)
  }
  expect('hoodie.table.version', ['6'], UPGRADE_HINT)
  expect('hoodie.timeline.layout.version', ['1'], UPGRADE_HINT)
  expect('hoodie.table.type', ['COPY_ON_WRITE'], 'Millrace appends to COPY_ON_WRITE tables only.')
  expect('hoodie.table.base.file.format', ['PARQUET', undefined], 'Millrace writes Parquet files only.')
  expect('hoodie.populate.meta.fields', ['true', undefined], 'Millrace writes the meta columns of Hudi.')
  expect(
    'hoodie.datasource.write.drop.partition.columns',
    ['false', undefined],
    'Partition columns must stay in files.',
  )
  const name = properties['hoodie.table.name'] ?? ''
  if (name === '') refuse('hoodie.table.name is missing', 'Repair hoodie.properties.')
  const checksum = properties['hoodie.table.checksum']
  if (checksum !== undefined && checksum !== tableChecksum(properties['hoodie.database.name'] ?? '', name)) {
    refuse('hoodie.table.checksum does not match the table name', 'Repair hoodie.properties: other readers refuse it.')
  }
  if (metadataTable || (properties['hoodie.table.metadata.partitions'] ?? '') !== '') {
    refuse('the table has a Hudi metadata table, which would hide what Millrace commits', METADATA_HINT)
  }
  findings.push(...keyGeneratorFindings(properties), ...warnings(properties))
  return findings
}

const UPGRADE_HINT =
  'Millrace writes version 6, layout 1. Other writers of the table need hoodie.write.auto.upgrade=false and ' +
  'hoodie.write.table.version=6; an upgraded table can be downgraded with the Hudi CLI.'
const METADATA_HINT =
  'Set hoodie.metadata.enable=false in every other writer of the table and delete the metadata table (Hudi CLI: ' +
  '`metadata delete`).'

function keyGeneratorFindings(properties: Properties): readonly Finding[] {
  const className = properties['hoodie.table.keygenerator.class']?.split('.').at(-1)
  const type = properties['hoodie.table.keygenerator.type'] ?? KEY_GENERATORS[className ?? '']
  const known =
    className === undefined && type === undefined ? true : Object.values(KEY_GENERATORS).includes(type ?? '')
  if (known) return []
  const message = `the key generator ${className ?? type} makes partition paths that readers understand differently`
  const hint = 'Use a table with NonpartitionedKeyGenerator, SimpleKeyGenerator or ComplexKeyGenerator.'
  return [{ severity: 'error', code: 'PREFLIGHT', message, hint }]
}

function warnings(properties: Properties): readonly Finding[] {
  if (properties['hoodie.table.timeline.timezone'] === 'UTC') return []
  const message = 'hoodie.table.timeline.timezone is not UTC: other writers may name instants in their local time'
  return [{ severity: 'warning', code: 'PREFLIGHT', message, hint: 'Set it to UTC before anybody else writes.' }]
}

/**
 * Throws SCHEMA when nothing may be committed to the table any more: another writer may have upgraded it or given it a
 * metadata table since we looked last. Costs one small file and the first entry of a listing.
 */
export async function refuseChangedTable(store: FileStore): Promise<void> {
  const properties = await readProperties(store)
  const findings =
    properties === undefined
      ? [{ message: 'hoodie.properties is gone', hint: 'Restore the table: its data files are still there.' }]
      : checkProperties(properties, await hasMetadataTable(store)).filter(({ severity }) => severity === 'error')
  if (findings.length === 0) return
  const reasons = findings.map(({ message, hint }) => (hint === undefined ? message : `${message}. ${hint}`))
  throw new MillraceError(
    `the Hudi table ${store.root} was changed by another writer: ${reasons.join('; ')} Then start again: ` +
      'what is published and not yet visible is committed first.',
    { code: 'SCHEMA' },
  )
}

/** Whether an existing table is the one that the options describe. */
export function compareTables(wanted: HudiTable, found: HudiTable): readonly Finding[] {
  const findings: Finding[] = []
  const compare = (what: string, want: string, have: string): void => {
    if (want === have) return
    const message = `${what}: the table has ${have || 'none'}, the pipeline says ${want || 'none'}`
    findings.push({ severity: 'error', code: 'SCHEMA', message, hint: 'Change the options or use another path.' })
  }
  compare('name', wanted.name, found.name)
  compare('partition columns', wanted.partitionFields.join(), found.partitionFields.join())
  if (found.recordKeyFields.length > 0) {
    const message = `the table has the record key ${found.recordKeyFields.join()}, and appended rows may repeat keys`
    const hint = 'Append to a table without record keys (Hudi then generates them).'
    findings.push({ severity: 'error', code: 'SCHEMA', message, hint })
  }
  return findings
}

function fields(list: string | undefined): readonly string[] {
  return (list ?? '')
    .split(',')
    .map((field) => field.trim())
    .filter((field) => field !== '')
}
