import type { Finding } from '../../core/checkpoint-types.ts'
import type { SliceDialect, SliceSession } from './dialect.ts'
import { toMillraceError } from '../../core/errors.ts'
import type { SliceOptions } from './options.ts'
import { shapeOf } from './shape-of.ts'
import { SliceQuery } from './slice-query.ts'
import { wantedSplits } from './split-list.ts'
import type { TableShape } from './table-shape.ts'

/** Tables that are looked at; a list of splits mostly names the same few. */
const TABLES_MAX = 20

/** Can the tables be sliced, and can this server tell what is finished? */
export async function checkSlices(
  session: SliceSession,
  dialect: SliceDialect,
  options: SliceOptions,
  id: string,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const splits = await wantedSplits(session, dialect, { id, ...options })
  if (splits.length === 0) findings.push(warning('the list of splits is empty', 'splitsFrom'))
  for (const table of [...new Set(splits.map((split) => split.table))].slice(0, TABLES_MAX)) {
    const shape = await shapeOf(dialect, session, options, table)
    findings.push(...(await tableFindings(session, dialect, options, shape)))
    const [split] = splits.filter((one) => one.table === table)
    findings.push(...(await conditionFindings(session, dialect, shape, split?.where)))
  }
  if (options.end === 'never' && options.safeLag === undefined) {
    const problem = await dialect.horizonProblem(session)
    if (problem !== undefined) {
      const hint = 'Read from the primary with a user that may see transactions, or set `safeLag`.'
      findings.push(error(`which rows are still to be committed cannot be told: ${problem}`, 'safeLag', hint))
    }
  }
  return findings
}

async function conditionFindings(
  session: SliceSession,
  dialect: SliceDialect,
  shape: TableShape,
  where: string | undefined,
): Promise<Finding[]> {
  if (where === undefined) return []
  const key = shape.key.map(({ name }) => name)
  const spec = { name: '', table: shape.table, where, key, asOf: undefined, isFollowing: false }
  try {
    await new SliceQuery(dialect, shape, spec, 0x0a).probe(session)
    return []
  } catch (thrown) {
    const { message, retry } = toMillraceError(thrown)
    if (retry === 'retry' || !session.isUsable) throw thrown
    const hint = 'It is a condition in the SQL of the server, over the columns of the table.'
    return [{ ...error(`${dialect.label} refuses the condition: ${message}`, 'where', hint), code: 'CONFIG' }]
  }
}

async function tableFindings(
  session: SliceSession,
  dialect: SliceDialect,
  options: SliceOptions,
  { key, table, isIndexed }: TableShape,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const [first] = key
  if (first === undefined) return findings
  if (!isIndexed) {
    findings.push(
      warning(`no index of ${table} begins with ${options.column.join(', ')}: every look reads it whole`, 'column'),
    )
  }
  if (first.nullable && options.nulls === 'fail') {
    const sql = `SELECT 1 FROM ${dialect.tableSql(table)} WHERE ${dialect.quote(first.name)} IS NULL LIMIT 1`
    const isThere = (await session.rows(sql)).length > 0
    const message = `${table}.${first.name} ${isThere ? 'is NULL in some rows, which are' : 'may be NULL; such rows would'} never ${isThere ? '' : 'be '}read`
    findings.push(error(message, 'nulls', 'Make it NOT NULL, or leave those rows out: nulls: ignore'))
  }
  if (!first.isAssigned && options.assignedBy === 'server' && options.end === 'never') {
    const message = `the server does not give ${table}.${first.name} its values one after the other: ${first.doubt ?? ''}`
    findings.push(
      error(message, 'assignedBy', 'If they rise all the same, say who cares for it: assignedBy: application'),
    )
  }
  return findings
}

function error(message: string, option: string, hint: string): Finding {
  return { severity: 'error', code: 'PREFLIGHT', message, hint, path: [option] }
}

function warning(message: string, option: string): Finding {
  return { severity: 'warning', code: 'PREFLIGHT', message, path: [option] }
}
