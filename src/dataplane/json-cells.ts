/** As many cells are noted at once as stay in the processor's cache together with their rows. */
const CELLS_MAX = 16_384
const ROWS_MAX = 2048

/** Where the values of some rows lie in the bytes they were scanned in. Entry `row * columns + column` is a cell. */
export class JsonCells {
  readonly columns: number
  /** Rows that are noted before they are handed on. */
  readonly rowsMax: number
  /** Place of the value's first byte, behind the quote of a string; -1 for NULL. */
  readonly starts: Int32Array
  /** Place behind the value's last byte; complemented for a string that holds escapes. */
  readonly ends: Int32Array
  rows = 0

  constructor(columns: number) {
    this.columns = columns
    this.rowsMax = Math.max(8, Math.min(ROWS_MAX, Math.floor(CELLS_MAX / Math.max(1, columns))))
    this.starts = new Int32Array(this.rowsMax * columns).fill(-1)
    this.ends = new Int32Array(this.rowsMax * columns)
  }

  clear(): void {
    // The row behind the last one may have been broken off.
    this.starts.fill(-1, 0, (this.rows + 1) * this.columns)
    this.rows = 0
  }
}
