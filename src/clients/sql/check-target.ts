import type { Finding } from '../../core/checkpoint-types.ts'
import type { Schema } from '../../core/schema.ts'
import { OP } from './describe-sink.ts'
import type { TableSinkOptions } from './options.ts'
import { hasSameColumns, type TargetColumn, type TargetTable } from './target.ts'
import { typeFinding } from './type-findings.ts'

/** The target as it is against the rows that will come. */
export function checkTarget(options: TableSinkOptions, schema: Schema, table: TargetTable | undefined): Finding[] {
  if (table === undefined) {
    if (options.createTable) {
      return [
        { severity: 'info', code: 'SCHEMA', message: `the table ${options.table} is missing and will be created` },
      ]
    }
    const message = `there is no table ${options.table} in the database`
    return [
      { severity: 'error', code: 'SCHEMA', message, hint: 'Create it, or say `createTable: true`.', path: ['table'] },
    ]
  }
  const flaw: Finding[] =
    table.flaw === undefined
      ? []
      : [
          {
            severity: 'error',
            code: 'PREFLIGHT',
            message: `the table ${options.table} cannot be written: ${table.flaw}`,
          },
        ]
  return [...flaw, ...columnFindings(schema, table, options), ...keyFindings(options, table)]
}

function* columnFindings(schema: Schema, table: TargetTable, { key }: TableSinkOptions): Iterable<Finding> {
  const byName = new Map(table.columns.map((column) => [column.name, column]))
  for (const column of schema) {
    if (column.name === OP) continue
    const target = byName.get(column.name)
    if (target === undefined) {
      const message = `the table has no column ${column.name}`
      yield { severity: 'error', code: 'SCHEMA', message, hint: `It has ${[...byName.keys()].join(', ')}.` }
    } else if (target.isGenerated) {
      const message = `the server computes the column ${column.name} itself`
      yield { severity: 'error', code: 'SCHEMA', message, hint: 'Leave it out of the rows.' }
    } else {
      yield* typeFinding(column, target)
      yield* foldingFinding(target, key)
    }
  }
  for (const target of table.columns) {
    if (target.isOptional || schema.some(({ name }) => name === target.name)) continue
    const message = `the column ${target.name} of the table must have a value, and the rows do not have it`
    yield { severity: 'error', code: 'SCHEMA', message, hint: 'Add it to the rows, or give it a default.' }
  }
}

/** Rows whose keys the server takes for one go through different connections, in no order. */
function* foldingFinding({ name, isFolding }: TargetColumn, key: readonly string[]): Iterable<Finding> {
  if (!isFolding || !key.includes(name)) return
  const message = `the key column ${name} compares texts by a collation in which different ones may be equal, such as A and a`
  const hint =
    'Give the column a binary collation, or make sure that keys which are equal for the server are the same text.'
  yield { severity: 'warning', code: 'SCHEMA', message, hint }
}

function* keyFindings({ key, mode, table: name }: TableSinkOptions, table: TargetTable): Iterable<Finding> {
  const mine = table.uniqueKeys.find(({ columns }) => hasSameColumns(columns, key))
  const others = table.uniqueKeys.filter((one) => one !== mine)
  if (key.length > 0 && mine === undefined) {
    const known = table.uniqueKeys.map(({ columns }) => columns.join('+')).join(', ')
    const message = `the table has no primary or unique key of exactly ${key.join('+')}`
    const hint = known === '' ? 'Add one.' : `It has ${known}.`
    yield { severity: 'error', code: 'SCHEMA', message, hint, path: ['key'] }
  }
  if (key.length > 0 && mine !== undefined && others.length > 0) {
    const list = others.map((one) => `${one.name} (${one.columns.join(', ')})`).join(', ')
    const message = `the table has other unique keys: ${list}. A row that meets one of them would replace the wrong row or stop the pipeline`
    yield {
      severity: 'error',
      code: 'SCHEMA',
      message,
      hint: 'Drop them, or make them ordinary indexes.',
      path: ['key'],
    }
  }
  if (key.length === 0 && mode !== 'upsert' && table.uniqueKeys.length > 0) {
    const message = `rows are only added; one whose key is in ${name} already stops the pipeline when its checkpoint is applied`
    yield { severity: 'warning', code: 'SCHEMA', message, hint: 'Name the key columns in `key` to replace rows.' }
  }
}
