/** Rows that know their place in the source. Both the producer of a topic and the auditor of a sink use this text. */

/** Bytes of a row, without the line feed. */
export const ROW_BYTES = 168

const PADDING = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(5)

/** The row number `seq` of a partition as JSON of exactly `ROW_BYTES` bytes; no two rows are equal. */
export function rowText(part: number, seq: number): string {
  const head = `{"part":${part},"seq":${seq},"pad":"`
  return `${head}${PADDING.slice(0, ROW_BYTES - head.length - 2)}"}`
}

/** The same columns for pipeline files. */
export const ROW_SCHEMA = '{part: bigint, seq: bigint, pad: varchar}'

/** The same columns for tables of the emulators. */
export const ROW_COLUMNS: readonly { readonly name: string; readonly type: string }[] = [
  { name: 'part', type: 'BIGINT' },
  { name: 'seq', type: 'BIGINT' },
  { name: 'pad', type: 'VARCHAR(200)' },
]
