import { MillraceError } from '../../core/errors.ts'
import {
  formatType,
  parseTransform,
  partitionScalar,
  type ContentFile,
  type IcebergField,
  type TableMetadata,
} from '../../clients/iceberg/index.ts'
import { duckType, parseColumnType } from '../../dataplane/index.ts'
import { exactCast, rowGroupColumn, type ParquetFooter } from '../../dataplane/parquet-source/index.ts'
import { sqlType } from './read-schema.ts'
import { scalarSql } from './partition-literal.ts'

/**
 * Where columns of the table are found in one file: by their ids, whatever they were called and however narrow their
 * type was when the file was written. Source: apache/iceberg format/spec.md, "Column Projection".
 */
export class FileColumns {
  /** Numbers of the file's columns that are read, in the order of their names in SQL. */
  readonly read: readonly number[]
  readonly #byId: ReadonlyMap<number, { readonly index: number; readonly isNested: boolean }>
  readonly #file: ContentFile
  readonly #metadata: TableMetadata

  constructor(footer: ParquetFooter, file: ContentFile, metadata: TableMetadata, wanted: readonly IcebergField[]) {
    const numbers = columnsByFieldId(footer, file, metadata)
    const found = wanted.flatMap(({ id }) => {
      const number = numbers.get(id)
      return number === undefined ? [] : [{ id, number }]
    })
    // Rows have to be counted even when the file has none of the columns.
    this.read = found.length > 0 ? found.map(({ number }) => number) : footer.columns.slice(0, 1).map(() => 0)
    this.#byId = new Map(
      found.map(({ id, number }, index) => [id, { index, isNested: footer.columns[number]?.isNested === true }]),
    )
    this.#file = file
    this.#metadata = metadata
  }

  /** SQL for a column, given DuckDB's types of the columns that are read. */
  sql(field: IcebergField, types: readonly string[]): string {
    const wanted = sqlType(field.type)
    const at = this.#byId.get(field.id)
    if (wanted === undefined || at?.isNested === true) throw this.#mismatch(field, 'is nested')
    const type = parseColumnType(wanted)
    if (at === undefined) return this.#missing(field) ?? nullOf(field)
    const column = rowGroupColumn(at.index)
    const given = types[at.index] ?? ''
    return (
      this.#asWritten(column, given, field) ?? exactCast(column, given, type, field.name) ?? this.#refuse(field, given)
    )
  }

  /** Forms of older writers, or of those that do not annotate their columns. */
  #asWritten(column: string, given: string, { type }: IcebergField): string | undefined {
    if (given === 'TIMESTAMP WITH TIME ZONE' && type.kind === 'timestamptz') return column
    // INT96 of files that were taken over from Hive counts in UTC.
    if (given === 'TIMESTAMP' && type.kind === 'timestamptz') return `(${column} AT TIME ZONE 'UTC')`
    if (given === 'BLOB' && type.kind === 'string') return `decode(${column})`
    if (given === 'BLOB' && type.kind === 'uuid') return `CAST(hex(${column}) AS UUID)`
    return undefined
  }

  /** Files whose rows all have one value of a partition column need not hold it. */
  #missing(field: IcebergField): string | undefined {
    const spec = this.#metadata.specs.get(this.#file.specId)
    const part = spec?.fields.find(
      ({ sourceId, transform }) => sourceId === field.id && parseTransform(transform)?.isIdentity === true,
    )
    const value = part === undefined ? undefined : this.#file.partition.get(part.fieldId)
    const scalar = partitionScalar(field.type, value)
    return scalar === undefined ? undefined : scalarSql(scalar, field.type)
  }

  #refuse(field: IcebergField, given: string): never {
    throw this.#mismatch(field, `is ${given} in the file and ${formatType(field.type)} in the table`)
  }

  #mismatch(field: IcebergField, why: string): MillraceError {
    return new MillraceError(`reading ${this.#file.path}: its column ${field.name} (field ${field.id}) ${why}`, {
      code: 'SCHEMA',
      detail: { file: this.#file.path, column: field.name },
    })
  }
}

/** NULL of the column's type. */
export function nullOf({ type }: IcebergField): string {
  return `CAST(NULL AS ${duckType(parseColumnType(sqlType(type) ?? 'varchar'))})`
}

/** Files without any ids were written by others and taken over: the table then says which names mean which ids. */
function columnsByFieldId(
  footer: ParquetFooter,
  file: ContentFile,
  { properties }: TableMetadata,
): ReadonlyMap<number, number> {
  const numbers = new Map<number, number>()
  for (const [number, { fieldId }] of footer.columns.entries()) if (fieldId !== undefined) numbers.set(fieldId, number)
  if (numbers.size > 0 || footer.columns.length === 0) return numbers
  const mapping = nameMapping(properties['schema.name-mapping.default'])
  if (mapping === undefined) {
    throw new MillraceError(
      `reading ${file.path}: its columns have no field ids, and the table has no property schema.name-mapping.default`,
      { code: 'SCHEMA', detail: { file: file.path } },
    )
  }
  for (const [number, { name }] of footer.columns.entries()) {
    const id = mapping.get(name)
    if (id !== undefined) numbers.set(id, number)
  }
  return numbers
}

/** Source: apache/iceberg format/spec.md, "Name Mapping Serialization". */
function nameMapping(text: string | undefined): ReadonlyMap<string, number> | undefined {
  if (text === undefined) return undefined
  try {
    const entries = JSON.parse(text) as readonly { readonly 'field-id'?: number; readonly names?: readonly string[] }[]
    return new Map(
      entries.flatMap(({ 'field-id': id, names = [] }) =>
        id === undefined ? [] : names.map((name) => [name, id] as const),
      ),
    )
  } catch {
    return undefined
  }
}
