/** Makes an Iceberg table of an NDJSON file of rows: `node iceberg-load.ts <directory> <file> <rows>`. */
import path from 'node:path'
import { IcebergMaker } from '../../src/testkit/iceberg-maker.ts'
import { openTableMaker } from '../../src/testkit/table-maker.ts'

const FILES = 12

const [directory = '', file = '', rowsText = ''] = process.argv.slice(2)
const rows = Number(rowsText)
const text = path.join(directory, 'rows.parquet')
await using table = await IcebergMaker.create(directory, [
  { name: 'id', type: 'long' },
  { name: 'ts', type: 'timestamptz' },
  { name: 'user_id', type: 'long' },
  { name: 'event', type: 'string' },
  { name: 'page', type: 'string' },
  { name: 'amount', type: 'decimal(12, 2)' },
  { name: 'note', type: 'string' },
])
if (rows > 0) {
  const types =
    "id: 'BIGINT', ts: 'TIMESTAMPTZ', user_id: 'BIGINT', event: 'VARCHAR', page: 'VARCHAR', amount: 'DECIMAL(12,2)', note: 'VARCHAR'"
  await using maker = await openTableMaker()
  await maker.write(text, `SELECT * FROM read_ndjson('${file}', columns = {${types}})`)
  const share = Math.ceil(rows / FILES)
  const selects = Array.from({ length: FILES }, (_, part) => {
    const numbered = `SELECT * FROM read_parquet('${text}', file_row_number = true)`
    const range = `file_row_number >= ${part * share} AND file_row_number < ${(part + 1) * share}`
    return `SELECT * EXCLUDE (file_row_number) FROM (${numbered}) WHERE ${range}`
  })
  await table.append(selects)
}
