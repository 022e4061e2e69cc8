import type { Finding } from '../core/checkpoint-types.ts'
import type { Column, Schema } from '../core/schema.ts'
import type { UnionOptions } from './stream-definition.ts'
import { duckType, parseColumnType } from '../dataplane/types.ts'
import { quoteName } from '../dataplane/sql-text.ts'
import { configError } from './parsed-file.ts'
import { checkSelect, type CheckedSelect, type Select } from './queries.ts'
import type { SqlChecker } from './sql-checker.ts'
import { suggestion } from './suggest.ts'

/** What a `union` makes of its inputs: a SELECT for each, all with the same columns, and one over all of them. */
interface PlannedUnion {
  readonly schema: Schema
  readonly parts: readonly (Select & { readonly of: string })[]
  readonly whole: Select
}

/** The rows of one input of a union as the others have theirs. */
export function unionPart(id: string, input: string): string {
  return `${id}.${input}`
}

/**
 * Brings streams together by the names of their columns, in the order of the first one. A type that differs is said
 * instead of being converted: 1.5 would silently become 2, or a text never match a number again.
 */
function planUnion(
  id: string,
  { missing }: UnionOptions,
  inputs: readonly (readonly [port: string, schema: Schema])[],
): PlannedUnion | readonly Finding[] {
  const at = ['transforms', id]
  const findings: Finding[] = []
  const columns = new Map<string, { column: Column; first: string; in: Set<string> }>()
  for (const [port, schema] of inputs) {
    for (const column of schema) {
      const known = columns.get(column.name.toLowerCase())
      if (known === undefined) {
        columns.set(column.name.toLowerCase(), { column, first: port, in: new Set([port]) })
        continue
      }
      known.in.add(port)
      if (known.column.type !== column.type) {
        const message = `${JSON.stringify(column.name)} is ${known.column.type} in ${JSON.stringify(known.first)} and ${column.type} in ${JSON.stringify(port)}`
        const hint = `make them the same in a \`map\` before: ${column.name}: "${column.name}::${known.column.type}"`
        findings.push(configError(message, [...at, 'from'], hint))
      }
      if (column.nullable) known.column = { ...known.column, nullable: true }
    }
  }
  const lacking = [...columns.values()].filter((one) => one.in.size < inputs.length)
  for (const { column, in: has } of missing === 'fail' ? lacking : []) {
    for (const [port, schema] of inputs.filter(([name]) => !has.has(name))) {
      const other = suggestion(
        column.name,
        schema.map(({ name }) => name),
      )
      const hint = `${other === undefined ? '' : `${other} `}leave it out of the others in a \`map\`, or say union: {missing: 'null'}`
      findings.push(
        configError(`${JSON.stringify(port)} has no column ${JSON.stringify(column.name)}`, [...at, 'from'], hint),
      )
    }
  }
  if (findings.length > 0) return findings
  const schema = [...columns.values()].map((one) => ({
    ...one.column,
    nullable: one.column.nullable || one.in.size < inputs.length,
  }))
  return { schema, ...selectsOf(id, schema, inputs) }
}

function selectsOf(
  id: string,
  schema: Schema,
  inputs: readonly (readonly [port: string, schema: Schema])[],
): Pick<PlannedUnion, 'parts' | 'whole'> {
  const at = ['transforms', id, 'from']
  const names = schema.map(({ name }) => name)
  const parts = inputs.map(([port, own]) => {
    const items = schema.map(({ name, type }) => {
      const found = own.find((column) => column.name.toLowerCase() === name.toLowerCase())
      return `${found === undefined ? `CAST(NULL AS ${duckType(parseColumnType(type))})` : quoteName(found.name)} AS ${quoteName(name)}`
    })
    const sql = `SELECT ${items.join(', ')} FROM ${quoteName(port)}`
    return { name: unionPart(id, port), sql, at, columns: names, of: port }
  })
  const sql = `SELECT ${names.map(quoteName).join(', ')} FROM input`
  return { parts, whole: { name: id, sql, at, columns: names } }
}

/** Plans a union and lets its statements be checked; nothing while an input is not described. */
export async function checkUnion(
  id: string,
  from: readonly string[],
  options: UnionOptions,
  schemas: ReadonlyMap<string, Schema | undefined>,
  checker: SqlChecker,
): Promise<{ readonly schema: Schema; readonly selects: readonly CheckedSelect[] } | readonly Finding[]> {
  const inputs = from.flatMap((name): (readonly [string, Schema])[] => {
    const schema = schemas.get(name)
    return schema === undefined ? [] : [[name, schema]]
  })
  if (inputs.length < from.length) return []
  const planned = planUnion(id, options, inputs)
  if (!('schema' in planned)) return planned
  const { schema, parts, whole } = planned
  const asked = [
    ...parts.map(({ of, ...part }) => [part, of, schemas.get(of) ?? []] as const),
    [whole, 'input', schema] as const,
  ]
  const selects: CheckedSelect[] = []
  for (const [select, relation, input] of asked) {
    const checked = await checkSelect(checker, select, relation, input, [])
    if (!('schema' in checked)) return checked
    // DuckDB calls every column nullable, and knows fewer precisions of a timestamp.
    selects.push({ ...checked, schema })
  }
  return { schema, selects }
}
