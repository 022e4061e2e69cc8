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
import {
  elementTree,
  exactCast,
  rowGroupColumn,
  type FileType,
  type ParquetColumn,
  type ParquetFooter,
} from '../../dataplane/parquet-source/index.ts'
import { nestedJson } from './nested-json.ts'
import { isNested, sqlType } from './read-schema.ts'
import { scalarSql } from './partition-literal.ts'

/**
 * Where columns of the table are found in one file: by their ids, whatever they were called and however narrow their
 * type was when the file was written. Source: apache/iceberg format/spec.md, "Column Projection".
 */
export class FileColumns {
  /** Numbers of the file's columns that are read, in the order of their names in SQL. */
  readonly read: readonly number[]
  readonly #byId: ReadonlyMap<number, { readonly index: number; readonly column: ParquetColumn | undefined }>
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
    this.#byId = new Map(found.map(({ id, number }, index) => [id, { index, column: footer.columns[number] }]))
    this.#file = file
    this.#metadata = metadata
  }

  /** SQL for a column, given DuckDB's types of the columns that are read. */
  sql(field: IcebergField, types: readonly FileType[]): string {
    const at = this.#byId.get(field.id)
    if (at === undefined) return this.#missing(field) ?? nullOf(field)
    const sql = rowGroupColumn(at.index)
    const type = types[at.index]
    if (!isNested(field.type)) return this.#plain(sql, type?.text ?? '', field, field)
    if (type === undefined || at.column === undefined) throw this.#mismatch(field, 'is not there')
    return nestedJson({ sql, type, element: elementTree(at.column) }, field, {
      leaf: (value, part) => this.#plain(value.sql, value.type.text, part, field),
      refuse: (why) => {
        throw this.#mismatch(field, `cannot be read ${why}: the file has another type there, or no field ids`)
      },
    })
  }

  /** A value as the type of `field`, which is `column` or a part of it. */
  #plain(sql: string, given: string, field: IcebergField, column: IcebergField): string {
    const type = parseColumnType(sqlType(field.type))
    return (
      this.#asWritten(sql, given, field) ??
      exactCast(sql, given, type, column.name) ??
      this.#refuse(column, field, given)
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

  #refuse(column: IcebergField, { type, name }: IcebergField, given: string): never {
    const part = isNested(column.type) ? `has a part ${name} that ` : ''
    throw this.#mismatch(column, `${part}is ${given} in the file and ${formatType(type)} in the table`)
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
  return `CAST(NULL AS ${duckType(parseColumnType(sqlType(type)))})`
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
