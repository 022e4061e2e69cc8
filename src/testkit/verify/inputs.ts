import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { OP_COLUMN } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Schema } from '../../core/schema.ts'
import type { Plan, SourceStep } from '../../plan/plan.ts'
import { makeRows } from './make-rows.ts'
import { metadataColumns } from './metadata-columns.ts'
import { rowEncodingOf, type RowEncoding } from './row-encoding.ts'
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
  const encoding = await rowEncodingOf(step)
  const schema = await playedSchema(step)
  const keys = keyColumns(plan, schema)
  const made = makeRows(withoutNull(schema, keys), rows, seed, keys)
  // Changes of one key come two and two, and stay together.
  const each = 2 * Math.ceil(rows / (2 * SPLITS))
  for (let split = 0; split < SPLITS; split++) {
    const part = { ...made, rows: made.rows.slice(split * each, (split + 1) * each) }
    await writeFile(path.join(directory, `part-${split}.${encoding.extension}`), encoding.write(part))
  }
  const what = schema?.some(({ name }) => name === OP_COLUMN) === true ? 'changes' : 'rows'
  const why = CHANGE_LOGS.includes(step.connector) ? ' (the log of a database is not read for a play)' : ''
  const told = `source ${step.id} (${step.connector}): generated ${what} of its schema, from files${why}`
  return { options: inputOptions(directory, encoding, schema), rows, told: told + metadataTold(step, 'made up') }
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
  const options: JsonObject = isParquet
    ? { connector: 'file', path: path.join(ask.directory, '*.parquet'), format: 'parquet' }
    : inputOptions(ask.directory, await rowEncodingOf(step), await playedSchema(step))
  const told = `source ${step.id} (${step.connector}): ${rows} of its own rows: ${ranges.join(', ')}`
  return { options, rows, told: told + metadataTold(step, 'those of the records') }
}

function inputOptions(directory: string, { extension, format }: RowEncoding, schema: Schema | undefined): JsonObject {
  const columns =
    schema === undefined ? {} : { schema: Object.fromEntries(schema.map(({ name, type }) => [name, type])) }
  return { connector: 'file', path: path.join(directory, `*.${extension}`), format, ...columns }
}

/** What the source knows of each record is a column of the copy. */
async function playedSchema(step: SourceStep): Promise<Schema | undefined> {
  return step.schema && [...step.schema, ...(await metadataColumns(step))]
}

function metadataTold({ metadata }: SourceStep, values: string): string {
  return metadata.length === 0 ? '' : `; ${metadata.join(', ')} are columns of the copy, ${values}`
}

/** Columns that a sink takes for keys, which must have values; where none has the name of one, those that cannot be NULL. */
function keyColumns({ steps }: Plan, schema: Schema = []): ReadonlySet<string> {
  const keys = steps.flatMap((step) =>
    step.kind === 'sink' && Array.isArray(step.options['key']) ? step.options['key'].map(String) : [],
  )
  const columns = schema.filter(({ name }) => keys.includes(name))
  const chosen =
    columns.length > 0 ? columns : schema.filter(({ nullable, name }) => !nullable && !name.startsWith('_'))
  return new Set(chosen.map(({ name }) => name))
}

function withoutNull(schema: Schema | undefined, columns: ReadonlySet<string>): Schema | undefined {
  return schema?.map((column) => (columns.has(column.name) ? { ...column, nullable: false } : column))
}

function refuseUnreadable({ id, format, connector, tables }: SourceStep): void {
  const why =
    tables === true
      ? 'it reads several tables: name one of them with `table` in a copy of the file'
      : format === 'raw'
        ? 'it reads raw records, and verify plays JSON, CSV and tables'
        : undefined
  if (why === undefined) return
  throw new MillraceError(`the source "${id}" (${connector}) cannot be played: ${why}`, { code: 'CONFIG' })
}
