/**
 * Definition levels of a data page of Parquet, for a column that may hold NULL: one bit for each row, behind their length
 * in four bytes. Source: apache/parquet-format Encodings.md, "Run Length Encoding / Bit-Packing Hybrid".
 */
export function definitionLevels(rows: number, nullRows: Uint32Array): Buffer {
  if (nullRows.length === 0 || nullRows.length === rows)
    return withLength(varint(rows * 2), [nullRows.length === 0 ? 1 : 0])
  const groups = (rows + 7) >>> 3
  const present = new Uint8Array(groups).fill(0xff)
  if (rows % 8 !== 0) present[groups - 1] = (1 << (rows % 8)) - 1
  for (const row of nullRows) present[row >>> 3] = (present[row >>> 3] ?? 0) & ~(1 << (row & 7))
  return withLength(varint(groups * 2 + 1), present)
}

function withLength(head: readonly number[], rest: ArrayLike<number>): Buffer {
  const levels = Buffer.allocUnsafe(4 + head.length + rest.length)
  levels.writeUInt32LE(head.length + rest.length)
  levels.set(head, 4)
  levels.set(rest, 4 + head.length)
  return levels
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest & 127) | 128)
  bytes.push(rest)
  return bytes
}
