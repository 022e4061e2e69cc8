import { parseAggregate, type AggregateCall } from './aggregate-calls.ts'
import { describeSelect } from './describe.ts'
import type { LaneDatabase } from './lane-database.ts'
import { keptType, mergeableOf } from './mergeable.ts'
import { emptyRelationSql } from './relation.ts'
import { quoteName } from './sql-text.ts'
import type { SqlFinding } from './sql-tree.ts'
import { formatColumnType, type Column } from './types.ts'

/** A column of partial results. Its name begins with `#`, its type is any of DuckDB's. */
export interface PartColumn {
  readonly name: string
  readonly type: string
  /** SQL aggregates: of rows, and of partial results. */
  readonly partial: string
  readonly merge: string
}

export interface CompiledAggregates {
  readonly parts: readonly PartColumn[]
  /** What the results of the aggregates are called in `results`, as SQL over the parts. */
  readonly calls: readonly { readonly name: string; readonly sql: string }[]
  readonly results: readonly { readonly name: string; readonly type: string; readonly sql: string }[]
}

export interface AggregatesAsk {
  /** Columns of the rows. */
  readonly columns: readonly Column[]
  readonly groupBy: readonly Column[]
  /** Column with the moment of each row in microseconds, where the rows have event time. */
  readonly time: string | undefined
  /** SQL over aggregates, by the name of the column that it makes. */
  readonly aggregates: Readonly<Record<string, string>>
}

export type NamedFinding = SqlFinding & { readonly name: string }

/** Plans aggregates so that they can be computed of some rows at a time and merged. Reads no rows. */
export async function compileAggregates(
  database: LaneDatabase,
  ask: AggregatesAsk,
): Promise<CompiledAggregates | { readonly findings: readonly NamedFinding[] }> {
  const parts: PartColumn[] = []
  const calls: { name: string; sql: string }[] = []
  const results: { name: string; type: string; sql: string }[] = []
  const findings: NamedFinding[] = []
  const partsOf = partCollector(database, ask)
  for (const [name, text] of Object.entries(ask.aggregates)) {
    const first = calls.length
    const parsed = await parseAggregate(database, text, {
      columns: ask.columns.map((column) => column.name),
      nameOf: (call) => `#call ${first + call}`,
    })
    if (!parsed.ok) {
      findings.push(...parsed.findings.map((finding) => ({ ...finding, name })))
      continue
    }
    try {
      for (const call of parsed.expression.calls) {
        calls.push({ name: `#call ${calls.length}`, sql: await partsOf(call, parts) })
      }
      const own = calls.slice(first)
      const columns = await resultColumns(database, ask.groupBy, parts, own, parsed.expression.final)
      results.push({ name, type: columns, sql: parsed.expression.final })
    } catch (thrown) {
      findings.push({ name, ...findingOf(thrown) })
    }
  }
  return findings.length > 0 ? { findings } : { parts, calls, results }
}

class Refused extends Error {}

/** Adds the parts of a call, and gives the SQL of its result over them. Calls that need the same parts share them. */
function partCollector(
  database: LaneDatabase,
  ask: AggregatesAsk,
): (call: AggregateCall, parts: PartColumn[]) => Promise<string> {
  const scope = { time: ask.time === undefined ? undefined : quoteName(ask.time) }
  const rows = rowsRelation(ask)
  const known = new Map<string, string>()
  return async (call, parts) => {
    const mergeable = mergeableOf(call, scope)
    if ('problem' in mergeable) throw new Refused(mergeable.problem)
    const partials = mergeable.parts.map(({ partial }) => partial)
    const key = JSON.stringify([...partials, mergeable.final(partials)])
    const same = known.get(key)
    if (same !== undefined) return same
    const names = partials.map((_, index) => `#${parts.length + index}`)
    const quoted = names.map(quoteName)
    const types = await typesOf(database, rows, partials)
    for (const [index, { partial, merge }] of mergeable.parts.entries()) {
      const given = types[index] ?? ''
      const type = keptType(given)
      parts.push({
        name: names[index] ?? '',
        type,
        partial: type === given ? partial : `CAST(${partial} AS ${type})`,
        merge: `CAST(${merge(quoted)} AS ${type})`,
      })
    }
    // What DuckDB itself would give, also where the part is kept in another type.
    const [type = ''] = types
    const final = mergeable.final(quoted)
    const sql = types.length === 1 && keptType(type) !== type ? `CAST(${final} AS ${type})` : final
    known.set(key, sql)
    return sql
  }
}

/** The rows of the step with their moment beside them. */
function rowsRelation({ columns, time }: AggregatesAsk): string {
  const rows = emptyRelationSql(columns)
  return time === undefined ? rows : `SELECT *, 0::BIGINT AS ${quoteName(time)} FROM (${rows})`
}

async function typesOf(database: LaneDatabase, rows: string, partials: readonly string[]): Promise<string[]> {
  const items = partials.map((partial, index) => `${partial} AS ${quoteName(`#${index}`)}`)
  const described = await database.run(`DESCRIBE SELECT ${items.join(', ')} FROM (${rows})`)
  return described.map(([, type]) => String(type))
}

/** The type of a result, one that can travel. */
async function resultColumns(
  database: LaneDatabase,
  groupBy: readonly Column[],
  parts: readonly PartColumn[],
  calls: CompiledAggregates['calls'],
  final: string,
): Promise<string> {
  const group = groupBy.length === 0 ? [] : [`SELECT * FROM (${emptyRelationSql(groupBy)})`]
  const nulls = parts.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${quoteName(name)}`)
  const merged = [...group, `SELECT ${nulls.join(', ')}`].map((sql) => `(${sql})`).join(' CROSS JOIN ')
  const items = calls.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`).join(', ')
  const select = `SELECT ${final} AS value FROM (SELECT *, ${items} FROM ${merged})`
  const [column] = await database.exclusive(() => describeSelect(database.connection, select))
  return column === undefined ? 'varchar' : formatColumnType(column.type)
}

function findingOf(thrown: unknown): SqlFinding {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const lines = message.split('\n').filter((line) => line.trim() !== '')
  const hint = lines.slice(1).find((line) => /candidate|did you mean/i.test(line))
  return {
    message: lines[0] ?? message,
    hint: hint?.trim() ?? 'compare with the columns that `millrace explain` prints',
  }
}
