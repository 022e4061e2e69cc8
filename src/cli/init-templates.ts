/*
 * Parts of the file that `millrace init` writes. Everything in them passes `check` as it stands, so that a first run
 * needs no reading; comments say what to change.
 */

export interface Template {
  readonly connector: string
  /** Lines under the id, without indentation. */
  readonly lines: readonly string[]
}

const SCHEMA = [
  'schema:                     # names and SQL types of the columns',
  '  id: bigint',
  '  ts: timestamp(3)',
  '  event: varchar',
  '  amount: decimal(12,2)',
]

export const SOURCE_TEMPLATES: readonly Template[] = [
  {
    connector: 'kafka',
    lines: [
      'connector: kafka',
      'brokers: [localhost:9092]',
      'topics: [clicks]            # or topicPattern: "^clicks_.*$"',
      'format: json',
      'start: earliest             # only for the very first start; later ones go on from the checkpoint',
      ...SCHEMA,
    ],
  },
  {
    connector: 'file',
    lines: [
      'connector: file',
      'path: ./data/*.ndjson       # a file, a directory or a glob',
      'format: json',
      ...SCHEMA,
    ],
  },
]

export const SINK_TEMPLATES: readonly Template[] = [
  {
    connector: 'starrocks',
    lines: [
      'connector: starrocks',
      'url: [http://localhost:8030]   # HTTP addresses of the frontends',
      'database: demo',
      'table: clicks',
      'username: root',
      'password: ${STARROCKS_PASSWORD:-}   # from the environment; or {file: path}, {exec: command}',
    ],
  },
  {
    connector: 'doris',
    lines: [
      'connector: doris',
      'url: [http://localhost:8030]   # HTTP addresses of the frontends',
      'database: demo',
      'table: clicks',
      'username: root',
      'password: ${DORIS_PASSWORD:-}   # from the environment; or {file: path}, {exec: command}',
    ],
  },
  {
    connector: 'hudi',
    lines: ['connector: hudi', 'path: ./lake/clicks', 'table: clicks'],
  },
  {
    connector: 'duckdb',
    lines: [
      'connector: duckdb',
      'path: ./clicks.duckdb       # a database file, made if it is missing',
      'table: clicks',
    ],
  },
  { connector: 'files', lines: ['connector: files', 'path: ./out', 'format: json'] },
  {
    connector: 'blackhole',
    lines: ['connector: blackhole        # counts rows and drops them; change it to your store'],
  },
]

/** A whole pipeline file. */
export function pipelineText(name: string, source: Template, sink: Template): string {
  const indent = (lines: readonly string[]): string => lines.map((line) => `    ${line}`).join('\n')
  return `# yaml-language-server: $schema=./pipeline.schema.json
# \`millrace schema > pipeline.schema.json\` writes that schema: editors then complete and check this file.

name: ${name}                  # names the saved state, for ever; so do the ids below
delivery: exactly-once        # weaker plans are refused
checkpoint:
  interval: 10s               # rows become visible this often

sources:
  events:
${indent(source.lines)}

transforms:
  cleaned:
    from: events
    # One row-wise SELECT in DuckDB's SQL.
    sql: |
      SELECT id, ts, lower(event) AS event, amount
      FROM events
      WHERE amount IS NOT NULL

sinks:
  warehouse:
    from: cleaned
${indent(sink.lines)}
`
}
