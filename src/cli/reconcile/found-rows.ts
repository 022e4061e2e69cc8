import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { MillraceError } from '../../core/errors.ts'
import { quoteName, quoteText } from '../../dataplane/index.ts'
import type { SinkStep } from '../../plan/plan.ts'
import { visibleFiles } from '../../testkit/verify/read-sinks.ts'
import { tableRows } from '../table-rows.ts'
import type { RowComparison } from './compare-rows.ts'
import { linesSql, listOf } from './lines-sql.ts'
import { canonical, hasHeader, isText } from './sink-kind.ts'

export interface FoundAsk {
  readonly step: SinkStep
  readonly baseDirectory: string
  /** For what has to be written down in between. */
  readonly directory: string
  /** `mysql://host:port` of StarRocks or Doris. */
  readonly queryUrl: string | undefined
}

/** The table `found`: the rows of the target, in the columns and types of `expected`. */
export async function fillFound(comparison: RowComparison, ask: FoundAsk): Promise<void> {
  const { step, baseDirectory } = ask
  if (isText(step)) {
    const files = await visibleFiles('files', path.resolve(baseDirectory, localPath(step)))
    return void (await comparison.run(`CREATE TABLE found AS ${linesSql(files, hasHeader(step))}`))
  }
  const columns = await comparison.columnsOf('expected')
  const types = new Map(step.schema?.map(({ name, type }) => [name, type]))
  const values = columns.map(({ name, type }) => {
    return `${canonical(quoteName(name), types.get(name) ?? type)} AS ${quoteName(name)}`
  })
  await comparison.run(
    `CREATE TABLE found AS SELECT ${values.join(', ')} FROM (${await foundSql(comparison, columns, ask)})`,
  )
}

/** SQL for the rows of a target, with these columns; values may still be text. */
async function foundSql(
  comparison: RowComparison,
  columns: readonly { readonly name: string; readonly type: string }[],
  ask: FoundAsk,
): Promise<string> {
  const { step, baseDirectory, directory } = ask
  const { options, connector } = step
  if (connector === 'hudi' || connector === 'files') {
    const root = path.resolve(baseDirectory, localPath(step))
    const files = await visibleFiles(connector, root)
    if (files.length === 0) return nothing(columns)
    return `SELECT * FROM read_parquet(${listOf(files)}, hive_partitioning = false, union_by_name = true)`
  }
  if (connector === 'duckdb') {
    await comparison.run(`ATTACH ${quoteText(path.resolve(baseDirectory, localPath(step)))} AS target (READ_ONLY)`)
    return `SELECT * FROM target.${quoteName(String(options['table']))}`
  }
  const rows = await tableRows(
    step,
    columns.map(({ name, type }) => ({ name, isBytes: type === 'BLOB' })),
    ask.queryUrl,
  )
  await mkdir(directory, { recursive: true })
  const file = path.join(directory, 'found.ndjson')
  // Texts in JSON strings: nothing between here and their columns looks at a number.
  const lines = Readable.from(
    rows.map((row) => `${JSON.stringify(Object.fromEntries(row.map((cell, at) => [`c${at}`, cell])))}\n`),
  )
  await pipeline(lines, createWriteStream(file))
  const types = columns.map((_, at) => `c${at}: 'VARCHAR'`).join(', ')
  const values = columns.map(
    ({ name, type }, at) => `${type === 'BLOB' ? `unhex(c${at})` : `c${at}`} AS ${quoteName(name)}`,
  )
  return `SELECT ${values.join(', ')} FROM read_ndjson(${quoteText(file)}, columns = {${types}})`
}

function localPath({ id, options }: SinkStep): string {
  const place = String(options['path'])
  if (!place.includes('://')) return place
  throw new MillraceError(`${id} writes to ${place}: only local files are compared`, { code: 'CONFIG' })
}

function nothing(columns: readonly { readonly name: string }[]): string {
  return `SELECT ${columns.map(({ name }) => `NULL AS ${quoteName(name)}`).join(', ')} WHERE false`
}
