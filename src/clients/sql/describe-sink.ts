import type { Finding } from '../../core/checkpoint-types.ts'
import type { SinkAsk, SinkDescription } from '../../core/connector.ts'
import type { Delivery } from '../../core/delivery.ts'
import type { Schema } from '../../core/schema.ts'
import { modeOf, type SqlSinkOptions } from './options.ts'

const NEWLINE = 0x0a

/** Column of a change stream that says what to do with a row. */
export const OP = '__op'

/** What the plan has to know of an SQL sink before anything is connected. */
export function describeSqlSink(
  options: SqlSinkOptions,
  ask: SinkAsk,
  quote: (name: string) => string,
): SinkDescription {
  if (options.routes !== undefined) return describeSeveral(options)
  const { key } = options
  const routing =
    key.length === 0
      ? {}
      : {
          routing: {
            key: key.map(quote),
            together: 'must' as const,
            why: 'rows of a key are written by one connection, in their order',
          },
        }
  return {
    delivery: deliveryOf(options, ask.schema),
    takes: [{ kind: 'table' }],
    writers: 'lanes',
    ...routing,
    findings: [...findingsOf(options, ask.schema)],
  }
}

/** Rows of several tables arrive as JSON lines, from one source that keeps the order of a key's changes. */
function describeSeveral(options: SqlSinkOptions): SinkDescription {
  const { routes = [] } = options
  const guarded = routes.filter(({ version }) => version !== undefined).length
  const which = guarded === routes.length ? '' : `in ${guarded} of ${routes.length} routes `
  const guard = guarded === 0 ? '' : `, ${which}never by an older version`
  const reason = `rows are replaced by key before their checkpoint is published${guard}; a replay writes the same rows again`
  const stronger =
    guarded === routes.length ? {} : { stronger: 'version: … in each route, of tables that have such a column' }
  return {
    delivery: { class: 'convergent', reason, assumptions: [], ...stronger },
    takes: [{ kind: 'bytes', format: 'json', separator: NEWLINE }],
    tables: true,
    writers: 'lanes',
    findings: [...severalFindings(options)],
  }
}

function* severalFindings(options: SqlSinkOptions): Iterable<Finding> {
  const { table, key, version, mode, createTable } = options
  const taken: readonly (readonly [boolean, string, string, string])[] = [
    [table !== undefined, 'table', 'routes name the tables', 'Remove `table`.'],
    [key.length > 0, 'key', 'routes name the keys', 'Give `key` in the route.'],
    [version !== undefined, 'version', 'routes name the versions', 'Give `version` in the route.'],
    [mode === 'transactional', 'mode', 'rows of several tables are written by key', 'Remove `mode`.'],
    [
      createTable,
      'createTable',
      'tables of routes are made unless createTables says otherwise',
      'Remove `createTable`.',
    ],
  ]
  for (const [isTaken, option, message, hint] of taken) {
    if (isTaken) yield { severity: 'error', code: 'CONFIG', message, hint, path: [option] }
  }
}

function deliveryOf(options: SqlSinkOptions, schema: Schema | undefined): Delivery {
  if (modeOf(options) === 'transactional') {
    if (options.apply === 'transaction') {
      const reason = 'staged rows are applied with the checkpoint’s number in one transaction, after it is published'
      return { class: 'atomic', reason, assumptions: [] }
    }
    const reason = 'staged rows are applied in ordered pieces, each with its number in the same transaction'
    return { class: 'exact', reason, assumptions: [], stronger: 'apply: transaction' }
  }
  const deletes = schema?.some(({ name }) => name === OP) === true ? ' (deletes have none)' : ''
  const guard = options.version === undefined ? '' : `, and never by an older version${deletes}`
  const reason = `rows are replaced by key before their checkpoint is published${guard}; a replay writes the same rows again`
  return { class: 'convergent', reason, assumptions: [], stronger: 'mode: transactional' }
}

function* findingsOf(options: SqlSinkOptions, schema: Schema | undefined): Iterable<Finding> {
  const { key, version, apply } = options
  const mode = modeOf(options)
  const refuse = (message: string, hint: string, ...path: string[]): Finding => ({
    severity: 'error',
    code: 'CONFIG',
    message,
    hint,
    path,
  })
  if (options.table === undefined) {
    yield refuse('no table is named', 'Name it in `table`, or give `routes`.', 'table')
  }
  if (mode === 'upsert' && key.length === 0) {
    yield refuse('mode upsert needs to know the key of the rows', 'Name its columns in `key`.', 'key')
  }
  if (version !== undefined && key.length === 0) {
    yield refuse('a version guards rows that have a key', 'Name its columns in `key`.', 'version')
  }
  if (apply === 'chunks' && mode === 'upsert') {
    yield refuse('mode upsert applies nothing at checkpoints', 'Remove `apply`.', 'apply')
  }
  if (schema === undefined) {
    const message = 'the columns of the rows are not known'
    yield { severity: 'error', code: 'SCHEMA', message, hint: 'Give the source a `schema`.' }
    return
  }
  yield* columnFindings(options, schema)
}

function* columnFindings(options: SqlSinkOptions, schema: Schema): Iterable<Finding> {
  const { key, version } = options
  const names = schema.map(({ name }) => name)
  for (const [option, name] of [
    ...key.map((one) => ['key', one]),
    ...(version === undefined ? [] : [['version', version]]),
  ]) {
    if (name === undefined || names.includes(name)) continue
    const message = `the rows have no column ${name}`
    yield { severity: 'error', code: 'SCHEMA', message, hint: `They have ${names.join(', ')}.`, path: [String(option)] }
  }
  for (const column of schema) {
    if (key.includes(column.name) && /^(float|double|real)/i.test(column.type)) {
      const message = `the key column ${column.name} is a floating-point number, which equals itself only by chance`
      yield { severity: 'error', code: 'SCHEMA', message, hint: 'Cast it to a decimal or to text.', path: ['key'] }
    }
    if (column.name.startsWith('__') && column.name !== OP) {
      const message = `the column ${column.name} begins with two underscores, like those of staging tables`
      yield { severity: 'error', code: 'SCHEMA', message, hint: 'Give it another name with AS.' }
    }
  }
  if (names.includes(OP) && version !== undefined && modeOf(options) === 'upsert') {
    const message =
      'deletes have no version: after a restart one that is read again may take a newer row away, and a deleted row may be seen ' +
      'again, until what is behind them is read'
    const hint = `Where that must not be, keep such rows and mark them, with a version like any other: map: {deleted: '${OP} = 1', ${OP}: null}.`
    yield { severity: 'warning', code: 'CONFIG', message, hint, path: ['version'] }
  }
  if (names.includes(OP) && key.length === 0) {
    const message = `rows with ${OP} say which one to delete by their key`
    yield { severity: 'error', code: 'SCHEMA', message, hint: 'Name its columns in `key`.', path: ['key'] }
  }
}
