/** A column of a table on the server. */
export interface TargetColumn {
  readonly name: string
  /** As a column definition says it, such as `decimal(12,2) unsigned`. */
  readonly type: string
  readonly isNullable: boolean
  /** Rows that do not name it are fine: it has a default, or the server makes its values. */
  readonly isOptional: boolean
  /** The server computes it; it cannot be written. */
  readonly isGenerated: boolean
  /** Texts that differ may be equal in it, such as `A` and `a`. */
  readonly isFolding: boolean
  /** What a definition needs beside the type for the same values, such as the character set. */
  readonly more: string
}

export interface UniqueKey {
  readonly name: string
  readonly columns: readonly string[]
  readonly isPrimary: boolean
}

export interface TargetTable {
  /** In the order that the server keeps. */
  readonly columns: readonly TargetColumn[]
  readonly uniqueKeys: readonly UniqueKey[]
  /** Why the table cannot hold the guarantees, such as an engine without transactions. */
  readonly flaw?: string | undefined
}

export function hasSameColumns(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name))
}
