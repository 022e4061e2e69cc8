import type { IcebergField } from '../../clients/iceberg/index.ts'
import { quoteText } from '../../dataplane/index.ts'
import type { FileType, ParquetElement } from '../../dataplane/parquet-source/index.ts'

/** A value of a file: SQL for it, its type there, and its place in the file's schema. */
export interface FileValue {
  readonly sql: string
  readonly type: FileType
  readonly element: ParquetElement
}

export interface NestedContext {
  /** SQL that gives a value that is not nested in the type that the table's field has. */
  readonly leaf: (value: FileValue, field: IcebergField) => string
  /** The file has something else where the field should be. */
  readonly refuse: (why: string) => never
}

/**
 * SQL that makes a JSON document of a struct, list or map. Fields are found by their ids and called as the table calls
 * them now; those that the file does not have are null. Values are written as apache/iceberg format/spec.md, "JSON
 * single-value serialization" has them, so that none is rounded: decimals, dates and times are strings, bytes are
 * hexadecimal digits. Otherwise than there, structs have names and maps are objects.
 */
export function nestedJson(value: FileValue, field: IcebergField, context: NestedContext, depth = 0): string {
  const { type } = field
  const inner = (part: FileValue, child: IcebergField): string => nestedJson(part, child, context, depth + 1)
  switch (type.kind) {
    case 'struct': {
      const items = type.fields.map((child) => `${quoteText(child.name)}, ${member(value, child, context, inner)}`)
      return orNull(value.sql, `json_object(${items.join(', ')})`)
    }
    case 'list': {
      const [child] = type.fields
      const [element] = value.element.children[0]?.children ?? []
      const [given] = value.type.parts
      if (child === undefined || given === undefined || element?.fieldId !== child.id)
        return context.refuse('as a list')
      const each = `e${depth}`
      const made = inner({ sql: each, type: given, element }, child)
      return orNull(value.sql, `to_json(list_transform(${value.sql}, lambda ${each}: ${made}))`)
    }
    case 'map':
      return mapJson(value, type.fields, context, depth, inner)
    default:
      return leafJson(context.leaf(value, field), field)
  }
}

function member(
  { sql, type, element }: FileValue,
  child: IcebergField,
  context: NestedContext,
  inner: (part: FileValue, child: IcebergField) => string,
): string {
  const isStruct = type.parts.length > 0 && type.parts.length === element.children.length
  if (!isStruct || element.children.some(({ fieldId }) => fieldId === undefined)) return context.refuse('as a struct')
  const at = element.children.findIndex(({ fieldId }) => fieldId === child.id)
  const [given, place] = [type.parts[at], element.children[at]]
  if (given === undefined || place === undefined) return 'NULL'
  // By number: DuckDB does not tell names apart that differ in case only.
  return inner({ sql: `struct_extract_at(${sql}, ${at + 1})`, type: given, element: place }, child)
}

function mapJson(
  value: FileValue,
  [key, item]: readonly IcebergField[],
  context: NestedContext,
  depth: number,
  inner: (part: FileValue, child: IcebergField) => string,
): string {
  const [keyPlace, itemPlace] = value.element.children[0]?.children ?? []
  const [keyType, itemType] = value.type.parts
  if (keyPlace?.fieldId !== key?.id || itemPlace?.fieldId !== item?.id) return context.refuse('as a map')
  if (!key || !item || !keyPlace || !itemPlace || !keyType || !itemType) return context.refuse('as a map')
  const each = `e${depth}`
  const name = inner({ sql: `${each}.key`, type: keyType, element: keyPlace }, key)
  const made = inner({ sql: `${each}.value`, type: itemType, element: itemPlace }, item)
  // The key as a string: what is a string already, or the text of any other document in quotes.
  const text = `CAST(to_json(${name} ->> '$') AS VARCHAR)`
  const entry = `${text} || ':' || coalesce(CAST(${made} AS VARCHAR), 'null')`
  const entries = `array_to_string(list_transform(map_entries(${value.sql}), lambda ${each}: ${entry}), ',')`
  return orNull(value.sql, `CAST('{' || coalesce(${entries}, '') || '}' AS JSON)`)
}

function leafJson(value: string, { type }: IcebergField): string {
  switch (type.kind) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'string':
      return `to_json(${value})`
    case 'float':
      // By way of its shortest text, else 0.1 would be written as 0.10000000149011612.
      return number(value, `CAST(CAST(${value} AS VARCHAR) AS DOUBLE)`)
    case 'double':
      return number(value, value)
    case 'fixed':
    case 'binary':
      return `to_json(lower(hex(${value})))`
    case 'timestamp':
      return `to_json(strftime(${value}, '%Y-%m-%dT%H:%M:%S.%f'))`
    case 'timestamptz':
      return `to_json(strftime(make_timestamp(epoch_us(${value})), '%Y-%m-%dT%H:%M:%S.%f+00:00'))`
    default:
      return `to_json(CAST(${value} AS VARCHAR))`
  }
}

/** JSON has no NaN and no infinity: they are strings. */
function number(value: string, finite: string): string {
  return `CASE WHEN isfinite(${value}) THEN to_json(${finite}) ELSE to_json(CAST(${value} AS VARCHAR)) END`
}

function orNull(value: string, made: string): string {
  return `CASE WHEN ${value} IS NULL THEN NULL ELSE ${made} END`
}
