/** How the text of a value, as the server gives it, becomes JSON. */
export type CellKind =
  /** Digits that are JSON already; anything else (NaN, infinity) is refused. */
  | 'number'
  | 'boolean'
  | 'text'
  /** A document that is put in as it is. */
  | 'json'
  /** Written as base64. */
  | 'bytes'
  /** Dates and times: text that ends in a digit; infinity, years before 1 and zero dates are refused. */
  | 'moment'

/** A column that is read. */
export interface SliceColumn {
  readonly name: string
  /** The expression that is selected. */
  readonly sql: string
  /** Its SQL type, as schemas name it. */
  readonly type: string
  readonly nullable: boolean
  readonly cell: CellKind
}

/** A column of the order of reading. */
export interface KeyColumn {
  readonly name: string
  /** What the server calls its type. */
  readonly nativeType: string
  readonly kind: KeyKind
  readonly nullable: boolean
  /** The server gives it its value inside of the transaction that writes the row. */
  readonly isAssigned: boolean
  /** Why it is not, or what else keeps its values from rising with time. */
  readonly doubt?: string
}

/**
 * - `integer`: whole numbers, which can be cut into even ranges;
 * - `moment`: a timestamp, whose end is told by the server's clock: rows of the same moment may still come;
 * - `transaction`: the number of the writing transaction, whose end the server knows by itself;
 * - `other`: anything that the server can order and compare by its text.
 */
export type KeyKind = 'integer' | 'moment' | 'transaction' | 'other'

/** A table as slices read it. */
export interface TableShape {
  readonly table: string
  readonly columns: readonly SliceColumn[]
  /** Slicing columns first, tie-breakers behind. */
  readonly key: readonly KeyColumn[]
  /** No two rows have the same key. */
  readonly isUnique: boolean
  /** The first columns of an index are those of the key. */
  readonly isIndexed: boolean
  /** A guess of the server. */
  readonly rowsEstimate: number
}
