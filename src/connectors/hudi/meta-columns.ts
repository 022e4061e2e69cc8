import { assert } from '../../core/assert.ts'
import {
  constantPages,
  countedPages,
  quoteName,
  quoteText,
  type MadeColumn,
  type MadePages,
} from '../../dataplane/index.ts'
import type { Instant } from './instant.ts'

export interface MetaColumns {
  readonly instant: Instant
  /** Whole name of the data file, with `.parquet`. */
  readonly fileName: string
  readonly partitionPath: string
  readonly names: RowNames
  /** The rows carry `_hoodie_record_key` as their first column; otherwise it is their name. */
  readonly isKeyed: boolean
}

/** Hudi's meta columns, which come before all others, for the fragments of one data file. */
export function metaColumns({ instant, fileName, partitionPath, names, isKeyed }: MetaColumns): readonly MadeColumn[] {
  const constant = (text: string) => (rows: number) => constantPages(text, rows)
  return [
    { name: '_hoodie_commit_time', at: 0, pages: constant(instant) },
    { name: '_hoodie_commit_seqno', at: 1, pages: (rows) => names.next(rows) },
    ...(isKeyed ? [] : [{ name: RECORD_KEY, at: 2, pages: () => names.again() }]),
    { name: '_hoodie_partition_path', at: 3, pages: constant(partitionPath) },
    { name: '_hoodie_file_name', at: 4, pages: constant(fileName) },
  ]
}

const RECORD_KEY = '_hoodie_record_key'

/** Names of rows: `<prefix><n>` with n from 0 on. The prefix has to be unique among the files of the instant. */
export class RowNames {
  readonly #prefix: string
  #next = 0
  #last: MadePages | undefined

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  next(rows: number): MadePages {
    const pages = countedPages(this.#prefix, this.#next, rows)
    this.#next += rows
    this.#last = pages
    return pages
  }

  /** The names that `next` gave last. */
  again(): MadePages {
    assert(this.#last !== undefined, 'names are repeated after they were made')
    return this.#last
  }
}

/**
 * The item of a SELECT that makes record keys. One field: its value as text. Several: `a:1,b:2`, with names for null and
 * empty (KeyGenUtils.java of Apache Hudi).
 */
export function recordKeySql(fields: readonly string[]): string {
  return `${recordKey(fields)} AS ${quoteName(RECORD_KEY)}`
}

function recordKey(fields: readonly string[]): string {
  const [first, ...others] = fields
  const text = (field: string): string => `CAST(${quoteName(field)} AS VARCHAR)`
  if (first !== undefined && others.length === 0) return text(first)
  const parts = fields.map(
    (field) =>
      `${quoteText(`${field}:`)} || CASE WHEN ${text(field)} IS NULL THEN '__null__' ` +
      `WHEN ${text(field)} = '' THEN '__empty__' ELSE ${text(field)} END`,
  )
  return parts.join(" || ',' || ")
}
