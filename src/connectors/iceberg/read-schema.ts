import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import {
  bindWhatBinds,
  bindWhere,
  chooseSnapshot,
  parseWhere,
  type IcebergField,
  type IcebergType,
  type Snapshot,
  type SnapshotChoice,
  type TableMetadata,
  type Where,
} from '../../clients/iceberg/index.ts'
import type { IcebergSourceOptions, SnapshotOption } from './options.ts'

/** The SQL type of a column; nested ones become documents. */
export function sqlType(type: IcebergType): string {
  switch (type.kind) {
    case 'int':
      return 'integer'
    case 'long':
      return 'bigint'
    case 'string':
      return 'varchar'
    case 'fixed':
    case 'binary':
      return 'blob'
    case 'timestamp':
      return 'timestamp(6)'
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'boolean':
    case 'float':
    case 'double':
    case 'date':
    case 'time':
    case 'timestamptz':
    case 'uuid':
      return type.kind
    case 'struct':
    case 'list':
    case 'map':
      return 'json'
  }
}

export function isNested({ kind }: IcebergType): boolean {
  return kind === 'struct' || kind === 'list' || kind === 'map'
}

/**
 * The columns that the options choose, in the schema that belongs to the chosen snapshot: the table's for a branch, the
 * one of its time for everything else.
 *
 * @throws MillraceError `SCHEMA` when there is none of that name.
 */
export function readFields(options: IcebergSourceOptions, metadata: TableMetadata): readonly IcebergField[] {
  const all = fieldsOf(options, metadata)
  const { columns } = options
  if (columns === undefined) return all
  return columns.map((name) => fieldNamed(name, all, metadata))
}

/** The fields that the plan asks for, by name: what it was told when the schema was discovered. */
export function plannedFields(
  schema: Schema,
  options: IcebergSourceOptions,
  metadata: TableMetadata,
): readonly IcebergField[] {
  const all = fieldsOf(options, metadata)
  return schema.map(({ name }) => fieldNamed(name, all, metadata))
}

export function schemaOf(fields: readonly IcebergField[]): Schema {
  return fields.map(({ name, type, required }) => ({ name, type: sqlType(type), nullable: !required }))
}

export function whereOf(options: IcebergSourceOptions, metadata: TableMetadata): Where | undefined {
  const { where } = options
  return where === undefined ? undefined : bindWhere(parseWhere(where), fieldsOf(options, metadata))
}

/** As much of the plan's condition as the table's columns and their types make sense of. */
export function pruneOf(
  condition: string | undefined,
  options: IcebergSourceOptions,
  metadata: TableMetadata,
): Where | undefined {
  return condition === undefined ? undefined : bindWhatBinds(parseWhere(condition), fieldsOf(options, metadata))
}

export function chosenSnapshot(options: IcebergSourceOptions, metadata: TableMetadata): Snapshot | undefined {
  return chooseSnapshot(metadata, choiceOf(options.snapshot))
}

function choiceOf(option: SnapshotOption): SnapshotChoice {
  if ('id' in option) return { kind: 'id', id: option.id }
  if ('time' in option) return { kind: 'time', timestampMs: new Date(option.time).getTime() }
  return { kind: 'ref', name: 'tag' in option ? option.tag : option.branch }
}

function fieldsOf(options: IcebergSourceOptions, metadata: TableMetadata): readonly IcebergField[] {
  const isOfItsTime = !('branch' in options.snapshot)
  const snapshot = isOfItsTime ? chosenSnapshot(options, metadata) : undefined
  const schema = metadata.schemas.get(snapshot?.schemaId ?? metadata.currentSchemaId)
  return schema?.fields ?? []
}

function fieldNamed(name: string, fields: readonly IcebergField[], { location }: TableMetadata): IcebergField {
  const found = fields.find((field) => field.name === name)
  if (found !== undefined) return found
  const there = fields.map((field) => field.name).join(', ')
  throw new MillraceError(`reading ${location}: it has no column ${JSON.stringify(name)}; there are ${there}`, {
    code: 'SCHEMA',
  })
}
