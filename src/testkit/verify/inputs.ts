import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Schema } from '../../core/schema.ts'
import type { Plan, SourceStep } from '../../plan/plan.ts'
import { makeRows } from './make-rows.ts'
import { readSlice } from './source-slice.ts'

/** What every play reads in place of a source: files, written once. */
export interface Input {
  /** The source that reads them. */
  readonly options: JsonObject
  readonly rows: number
  /** For the certificate. */
  readonly told: string
}

export type RowsFrom = 'generated' | 'source' | 'source-end'

export interface InputOptions {
  readonly plan: Plan
  readonly directory: string
  /** Generated rows of each source. */
  readonly rows: number
  readonly seed: number
  readonly rowsFrom: RowsFrom
  /** Records of each source that is really read. */
  readonly limit: number
}

const SPLITS = 3
/** Their records come by a replication slot or a replica's session: reading some would leave traces. */
const CHANGE_LOGS = ['mysql-cdc', 'postgres-cdc']

export async function makeInputs(options: InputOptions): Promise<ReadonlyMap<string, Input>> {
  const { plan, rowsFrom, limit, rows, seed } = options
  const inputs = new Map<string, Input>()
  for (const step of plan.steps) {
    if (step.kind !== 'source') continue
    refuseUnreadable(step)
    const directory = path.join(options.directory, step.id)
    await mkdir(directory, { recursive: true })
    const isRead = rowsFrom !== 'generated' && !CHANGE_LOGS.includes(step.connector)
    const input = isRead
      ? await sliceInput(step, plan, { directory, limit, atEnd: rowsFrom === 'source-end' })
      : await generatedInput(step, plan, { directory, rows, seed: seed + inputs.size * rows })
    inputs.set(step.id, input)
  }
  return inputs
}

async function generatedInput(
  step: SourceStep,
  plan: Plan,
  { directory, rows, seed }: { readonly directory: string; readonly rows: number; readonly seed: number },
): Promise<Input> {
  const lines = makeRows(withoutNull(step.schema, keyColumns(plan)), rows, seed)
  const each = Math.ceil(lines.length / SPLITS)
  for (let split = 0; split < SPLITS; split++) {
    const part = lines.slice(split * each, (split + 1) * each)
    await writeFile(path.join(directory, `part-${split}.ndjson`), part.map((line) => `${line}\n`).join(''))
  }
  const why = CHANGE_LOGS.includes(step.connector) ? ' (the log of a database is not read for a play)' : ''
  const told = `source ${step.id} (${step.connector}): generated rows of its schema, from files${why}`
  return { options: jsonFiles(step, directory), rows, told }
}

async function sliceInput(
  step: SourceStep,
  plan: Plan,
  ask: { readonly directory: string; readonly limit: number; readonly atEnd: boolean },
): Promise<Input> {
  const { rows, isParquet, ranges } = await readSlice(step, plan, ask)
  if (rows === 0) {
    throw new MillraceError(
      `the source "${step.id}" (${step.connector}) gave no rows to play with: it is empty, or its \`start\` is behind its end`,
      { code: 'CONFIG' },
    )
  }
  const options = isParquet
    ? { connector: 'file', path: path.join(ask.directory, '*.parquet'), format: 'parquet' }
    : jsonFiles(step, ask.directory)
  return { options, rows, told: `source ${step.id} (${step.connector}): ${rows} of its own rows: ${ranges.join(', ')}` }
}

function jsonFiles({ schema }: SourceStep, directory: string): JsonObject {
  const columns =
    schema === undefined ? {} : { schema: Object.fromEntries(schema.map(({ name, type }) => [name, type])) }
  return { connector: 'file', path: path.join(directory, '*.ndjson'), format: 'json', ...columns }
}

/** Columns that a sink takes for keys, which must have values. */
function keyColumns({ steps }: Plan): ReadonlySet<string> {
  const keys = steps.flatMap((step) =>
    step.kind === 'sink' && Array.isArray(step.options['key']) ? step.options['key'] : [],
  )
  return new Set(keys.map(String))
}

function withoutNull(schema: Schema | undefined, columns: ReadonlySet<string>): Schema | undefined {
  return schema?.map((column) => (columns.has(column.name) ? { ...column, nullable: false } : column))
}

function refuseUnreadable({ id, format, metadata, connector }: SourceStep): void {
  const why =
    format === 'csv' || format === 'raw'
      ? `it reads ${format} records, and verify plays JSON rows and tables`
      : metadata.length > 0
        ? `the pipeline uses ${metadata.join(', ')}, which generated rows do not have`
        : undefined
  if (why === undefined) return
  throw new MillraceError(`the source "${id}" (${connector}) cannot be played with generated rows: ${why}`, {
    code: 'CONFIG',
  })
}
