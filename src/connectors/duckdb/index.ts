import type { Finding } from '../../core/checkpoint-types.ts'
import type { Connector, SinkConnector } from '../../core/connector.ts'
import type { Schema } from '../../core/schema.ts'
import { quoteName } from '../../dataplane/sql-text.ts'
import { duckdbSinkOptions, type DuckdbSinkOptions } from './options.ts'

const sink: SinkConnector<DuckdbSinkOptions> = {
  options: duckdbSinkOptions,
  describe: (options, { schema }) => ({
    delivery: {
      class: 'atomic',
      reason: 'staged rows are applied with the checkpoint’s number in one transaction, after it is published',
      assumptions: [],
    },
    takes: [{ kind: 'table' }],
    writers: 'lanes',
    ...(options.key.length === 0
      ? {}
      : {
          routing: {
            key: options.key.map(quoteName),
            together: 'must' as const,
            why: 'rows of a key are staged by one lane, in their order',
          },
        }),
    findings: [...findingsOf(options, schema)],
  }),
  create: async (options) => {
    const { DuckdbSink } = await import('./sink.ts')
    return new DuckdbSink(options)
  },
}

/** A table of a local database file. */
export const connector: Connector = {
  name: 'duckdb',
  summary:
    'Fills a table of a local DuckDB database file, whole checkpoints at a time: results to query without any service.',
  sink,
}

function* findingsOf({ path, table, key }: DuckdbSinkOptions, schema: Schema | undefined): Iterable<Finding> {
  const refuse = (code: 'CONFIG' | 'SCHEMA', message: string, hint: string, ...at: string[]): Finding => {
    return { severity: 'error', code, message, hint, path: at }
  }
  if (path.includes('://')) yield refuse('CONFIG', 'a database is a file on disk', 'Give the path of a file.', 'path')
  if (table === 'millrace_control') {
    yield refuse('CONFIG', 'this table says what was applied', 'Choose another name.', 'table')
  }
  if (schema === undefined) {
    yield refuse('SCHEMA', 'the columns of the rows are not known', 'Give the source a `schema`.')
    return
  }
  const names = schema.map(({ name }) => name)
  for (const name of key.filter((one) => !names.includes(one))) {
    yield refuse('SCHEMA', `the rows have no column ${name}`, `They have ${names.join(', ')}.`, 'key')
  }
  if (names.includes('__op') && key.length === 0) {
    yield refuse('SCHEMA', 'rows with __op say which one to delete by their key', 'Name its columns in `key`.', 'key')
  }
  for (const { name, type } of schema) {
    if (key.includes(name) && /^(float|double|real)/i.test(type)) {
      const message = `the key column ${name} is a floating-point number, which equals itself only by chance`
      yield refuse('SCHEMA', message, 'Cast it to a decimal or to text.', 'key')
    }
    if (name.startsWith('__') && name !== '__op') {
      yield refuse('SCHEMA', `the column ${name} begins with two underscores, like those of the sink`, 'Rename it.')
    }
  }
}
