import { paint, singleLine } from './terminal.ts'

/** Rows of cells in aligned columns, the first row as heading. The last column is not padded. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(singleLine))
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const lines = cells.map((row, index) => {
    const line = row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
    return index === 0 ? paint('bold', line) : line
  })
  return `${lines.join('\n')}\n`
}
