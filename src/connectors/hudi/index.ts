import type { BodyFormat } from '../../core/batch.ts'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { Connector, Routing, SinkAsk, SinkConnector, SinkDescription } from '../../core/connector.ts'
import type { Schema } from '../../core/schema.ts'
import { quoteName } from '../../dataplane/sql-text.ts'
import { storedSchema } from './avro-schema.ts'
import { hudiSinkOptions, type HudiSinkOptions } from './options.ts'
import { partitionColumns } from './partition-columns.ts'

const sink: SinkConnector<HudiSinkOptions> = {
  options: hudiSinkOptions,
  describe,
  create: async (options) => {
    const { HudiSink } = await import('./sink.ts')
    return new HudiSink(options)
  },
}

/** Apache Hudi tables, version 6, copy on write, without a JVM. */
export const connector: Connector = {
  name: 'hudi',
  summary: 'Appends to Apache Hudi tables (copy on write); each checkpoint is one commit of the table.',
  sink,
}

function describe(options: HudiSinkOptions, ask: SinkAsk): SinkDescription {
  return {
    delivery: {
      class: 'atomic',
      reason: 'a checkpoint is one commit of the table, completed by creating one file that names the checkpoint',
      assumptions: [],
    },
    takes: [bodyOf(options, ask.schema)],
    writers: 'lanes',
    expressions: partitionColumns(options.partitionBy).flatMap(({ expression }, at) =>
      expression === undefined ? [] : [{ sql: expression, path: ['partitionBy', at] }],
    ),
    ...routingOf(options),
    findings: [...findingsOf(options, ask)],
  }
}

/** Rows may be written by any lane; those of one partition by one lane make fewer, larger files. */
function routingOf({ partitionBy, repartition, targetFileSize }: HudiSinkOptions): { readonly routing?: Routing } {
  if (partitionBy.length === 0 || repartition === 'none') return {}
  const key = partitionColumns(partitionBy).map(({ name, expression }) =>
    expression === undefined ? quoteName(name) : `(${expression}\n)`,
  )
  const enough = repartition === 'auto' ? { enoughBytes: targetFileSize / 2 } : {}
  const stay = repartition === 'auto' ? ', unless they are large in every lane' : ''
  return { routing: { key, together: 'may', ...enough, why: `few large files for each partition${stay}` } }
}

/** Rows of one directory come as the Parquet that goes into its files; others have to be told apart first. */
function bodyOf({ table, partitionBy, compression }: HudiSinkOptions, schema: Schema | undefined): BodyFormat {
  const stored = schema === undefined || partitionBy.length > 0 ? undefined : storedSchema(table, schema)
  if (stored === undefined || 'findings' in stored) return { kind: 'table' }
  return { kind: 'parquet', columns: stored.columns.map(({ name, sql }) => ({ name, sql })), compression }
}

function* findingsOf(options: HudiSinkOptions, { schema }: SinkAsk): Iterable<Finding> {
  if (schema === undefined) {
    const message = 'the columns of the rows are not known'
    yield { severity: 'error', code: 'SCHEMA', message, hint: 'Give the source a `schema`.' }
    return
  }
  const partitionBy = partitionColumns(options.partitionBy)
  const stored = storedSchema(options.table, schema, partitionBy)
  if ('findings' in stored) yield* stored.findings
  for (const [at, { name: field, expression }] of partitionBy.entries()) {
    if (expression !== undefined) continue
    const column = schema.find(({ name }) => name === field)
    if (column === undefined) {
      const message = `there is no column ${field} to partition by`
      const hint = `Say how it is computed, for example "strftime(ts, '%Y-%m-%d') AS ${field}".`
      yield { severity: 'error', code: 'SCHEMA', message, hint, path: ['partitionBy', at] }
    } else if (!/^(varchar|text|string|tinyint|smallint|integer|int|bigint|date|boolean)/i.test(column.type)) {
      const message = `the column ${field} has the type ${column.type}, whose directories readers name differently`
      const hint = `Partition by text, whole numbers, booleans or dates; for example "strftime(${field}, '%Y-%m-%d') AS dt".`
      yield { severity: 'error', code: 'SCHEMA', message, hint, path: ['partitionBy', at] }
    }
  }
}
