import { DuckDBListType, DuckDBMapType, DuckDBStructType, type DuckDBType } from '@duckdb/node-api'

/** DuckDB's type of a column of a file, or of a part of one. */
export interface FileType {
  /** As DuckDB writes it. */
  readonly text: string
  /** The fields of a struct, the element of a list, the key and the value of a map. */
  readonly parts: readonly FileType[]
}

export function fileType(type: DuckDBType): FileType {
  return { text: type.toString(), parts: partsOf(type).map(fileType) }
}

function partsOf(type: DuckDBType): readonly DuckDBType[] {
  if (type instanceof DuckDBStructType) return type.entryTypes
  if (type instanceof DuckDBListType) return [type.valueType]
  return type instanceof DuckDBMapType ? [type.keyType, type.valueType] : []
}
