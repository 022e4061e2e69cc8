/** Writes generated rows as NDJSON: `node file-load.ts <file> <rows>`. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { ROW_BYTES, RowGenerator } from './rows.ts'

const ROWS_PER_WRITE = 10_000

const [file = '', rowsText = ''] = process.argv.slice(2)
const generator = new RowGenerator()
const bytes = Buffer.allocUnsafe(ROWS_PER_WRITE * (ROW_BYTES + 1))
const descriptor = openSync(file, 'w')
for (let left = Number(rowsText); left > 0; left -= ROWS_PER_WRITE) {
  const length = generator.fill(bytes, Math.min(left, ROWS_PER_WRITE))
  for (let at = 0; at < length;) at += writeSync(descriptor, bytes, at, length - at)
}
closeSync(descriptor)
