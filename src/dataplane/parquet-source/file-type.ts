import type { DuckDBType } from '@duckdb/node-api'

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

/** Told apart by what they have, not by their classes: those would load DuckDB where only bytes are passed through. */
function partsOf(type: DuckDBType): readonly DuckDBType[] {
  if ('entryTypes' in type) return type.entryTypes
  if ('keyType' in type) return [type.keyType, type.valueType]
  return 'valueType' in type ? [type.valueType] : []
}
