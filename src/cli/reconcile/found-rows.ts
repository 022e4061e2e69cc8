import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { quoteName, quoteText } from '../../dataplane/index.ts'
import type { Plan, SinkStep } from '../../plan/plan.ts'
import type { SplitRange } from '../replay-ranges.ts'
import { tableRows } from '../table-rows.ts'
import type { RowComparison } from './compare-rows.ts'
import { linesSql, listOf } from './lines-sql.ts'
import { sinkFiles } from './sink-files.ts'
import { canonical, hasFiles, hasHeader, isText, placeOf } from './sink-kind.ts'

/** The job has written more than this since, or may have. */
export interface Bound {
  readonly checkpoint: number
  readonly ranges: readonly SplitRange[]
}

export interface FoundAsk {
  readonly step: SinkStep
  readonly plan: Plan
  /** For what has to be written down in between. */
  readonly directory: string
  /** `mysql://host:port` of StarRocks or Doris. */
  readonly queryUrl: string | undefined
  /** Absent: all that is in the target. */
  readonly bound: Bound | undefined
}

/** The table `found`: the rows of the target, in the columns and types of `expected`. */
export async function fillFound(comparison: RowComparison, ask: FoundAsk): Promise<void> {
  const { step, bound } = ask
  if (isText(step)) {
    return void (await comparison.run(`CREATE TABLE found AS ${linesSql(await filesOf(ask), hasHeader(step))}`))
  }
  const columns = await comparison.columnsOf('expected')
  const types = new Map(step.schema?.map(({ name, type }) => [name, type]))
  const values = columns.map(({ name, type }) => {
    return `${canonical(quoteName(name), types.get(name) ?? type)} AS ${quoteName(name)}`
  })
  await comparison.run(
    `CREATE TABLE found AS SELECT ${values.join(', ')} FROM (${await foundSql(comparison, columns, ask)})`,
  )
  const place = placeOf(step)
  if (bound === undefined || hasFiles(step) || place === undefined) return
  const [partition, offset] = [quoteName(place.partition), quoteName(place.offset)]
  const within = bound.ranges.map(({ split, end }) => {
    return `(${partition} = ${split.slice(split.lastIndexOf('/') + 1)} AND ${offset} < ${end})`
  })
  // A row without a place is of nobody, and too many.
  await comparison.run(`DELETE FROM found WHERE NOT coalesce(${within.join(' OR ') || 'false'}, true)`)
}

function filesOf({ step, plan, directory, bound }: FoundAsk): Promise<string[]> {
  return sinkFiles({ step, plan, directory: path.join(directory, 'found'), through: bound?.checkpoint })
}

/** SQL for the rows of a target, with these columns; values may still be text. */
async function foundSql(
  comparison: RowComparison,
  columns: readonly { readonly name: string; readonly type: string }[],
  ask: FoundAsk,
): Promise<string> {
  const { step, plan, directory } = ask
  const { options, connector } = step
  if (hasFiles(step)) {
    const files = await filesOf(ask)
    if (files.length === 0) return nothing(columns)
    return `SELECT * FROM read_parquet(${listOf(files)}, hive_partitioning = false, union_by_name = true)`
  }
  if (connector === 'duckdb') {
    await comparison.run(
      `ATTACH ${quoteText(path.resolve(plan.baseDirectory, String(options['path'])))} AS target (READ_ONLY)`,
    )
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

function nothing(columns: readonly { readonly name: string }[]): string {
  return `SELECT ${columns.map(({ name }) => `NULL AS ${quoteName(name)}`).join(', ')} WHERE false`
}
