import path from 'node:path'
import { IcebergMaker, type MadeColumn } from '../../../src/testkit/iceberg-maker.ts'
import { rowText, ROW_BYTES } from './rows.ts'

const COLUMNS: readonly MadeColumn[] = [
  { name: 'part', type: 'long' },
  { name: 'seq', type: 'long' },
  { name: 'pad', type: 'string' },
]

/** A table in `<directory>/table` for the rows of a kill campaign: each data file is a part. */
export async function makeRowTable(directory: string): Promise<IcebergMaker> {
  return await IcebergMaker.create(path.join(directory, 'table'), COLUMNS)
}

/** The rows of a part, the same as `rowText`. */
export function selectRows(part: number, count: number): string {
  const padding = /"pad":"(.*)"}$/.exec(rowText(part, 0))?.[1] ?? ''
  const fixed = `{"part":${part},"seq":,"pad":""}`.length
  const length = `${ROW_BYTES - fixed} - length(CAST(i AS VARCHAR))`
  return `SELECT CAST(${part} AS BIGINT) AS part, i AS seq, left('${padding}', CAST(${length} AS INTEGER)) AS pad FROM range(${count}) r(i)`
}
