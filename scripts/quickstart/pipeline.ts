import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { QuickstartError } from './quickstart-error.ts'

/** The file that the quickstart runs, and that its user opens next. */
export const PIPELINE_TEXT = `# The pipeline of the quickstart. Change it, then run \`npm start -- --keep\` from the checkout:
# your version runs, is killed and is compared in the same way.

name: flights                   # names the saved state, for ever; so do the ids \`flights\`, \`cleaned\` and \`lake\`
delivery: exactly-once          # a plan that cannot promise this is refused before it starts
parallelism: 2                  # lanes: threads that read, transform and write side by side

checkpoint:
  interval: 500ms               # rows become visible this often; short, so that there is much to interrupt (default: 10s)
  storage: ./state              # the checkpoint log: what was read, and which files hold it

sources:
  flights:
    connector: file
    path: ./logs                # all files of the directory, split over the lanes
    format: json                # one object per line
    schema:                     # SQL types; a value that does not fit stops the job and is named by file and byte
      date: timestamp
      delay: integer            # minutes; below zero: early
      distance: integer         # miles
      origin: varchar
      destination: varchar

transforms:
  cleaned:
    from: flights
    # One SELECT in DuckDB's SQL that looks at one row at a time. Nobody leaves three hours early: the records
    # with such a delay are wrong. What a filter drops is counted in every checkpoint.
    sql: |
      SELECT
        date AS departed,
        origin,
        destination,
        CAST(round(distance * 1.609344) AS INTEGER) AS kilometres,
        delay,
        delay >= 15 AS late,
        strftime(date, '%Y-%m') AS month
      FROM flights
      WHERE delay > -120

sinks:
  lake:
    from: cleaned
    connector: hudi             # a copy-on-write table that Spark, Flink, Trino and hudi-rs read
    path: ./table
    table: flights
    partitionBy: [month]        # one directory for each month
`

/** What the comparison has to know of the pipeline: it does by itself what the file says. */
export interface PipelineFacts {
  /** Types by column. */
  readonly schema: Readonly<Record<string, string>>
  readonly sql: string
}

export function readPipeline(file: string): PipelineFacts {
  const whole = parse(readFileSync(file, 'utf8')) as {
    readonly sources?: { readonly flights?: { readonly schema?: Readonly<Record<string, string>> } }
    readonly transforms?: { readonly cleaned?: { readonly sql?: string } }
  } | null
  const schema = whole?.sources?.flights?.schema
  const sql = whole?.transforms?.cleaned?.sql
  if (schema !== undefined && sql !== undefined) return { schema, sql }
  throw new QuickstartError(
    `${file} has no source \`flights\` with a schema or no transform \`cleaned\` with SQL: the comparison needs both`,
    'Put them back, or run `npm start` without --keep for the original file.',
  )
}
