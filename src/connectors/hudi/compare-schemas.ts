import type { Finding } from '../../core/checkpoint-types.ts'

export interface ComparedSchemas {
  readonly findings: readonly Finding[]
  /** The schema of commits from now on, as JSON text: the table's, with new columns at its end. */
  readonly schema: string
  /** Names of the new columns. */
  readonly added: readonly string[]
}

interface Field {
  readonly name: string
  readonly type: unknown
}

/**
 * Whether files of the schema `ours` may be added to a table of the schema `theirs` (both Avro, as JSON text). Names
 * and types have to agree; the names inside of types, the order and whether null is allowed need not. With `evolve`,
 * columns that only we have are added: ours may always be null, which is what older files then read as.
 */
export function compareSchemas(
  ours: string,
  theirs: string | undefined,
  schemaChange: 'fail' | 'evolve',
): ComparedSchemas {
  if (theirs === undefined) return { findings: [], schema: ours, added: [] }
  const table = JSON.parse(theirs) as { readonly fields?: readonly Field[] }
  const have = fieldsOf(theirs)
  const wanted = fieldsOf(ours)
  const findings: Finding[] = []
  const refuse = (message: string, hint: string): void => {
    findings.push({ severity: 'error', code: 'SCHEMA', message, hint })
  }
  const added = [...wanted.values()].filter(({ name }) => !have.has(name))
  for (const { name, type } of wanted.values()) {
    const found = have.get(name)
    const [is, there] = [typeText(type), found === undefined ? undefined : typeText(found.type)]
    if (there === undefined && schemaChange === 'fail') refuse(`the table has no column ${name}`, ADD_HINT)
    if (there !== undefined && there !== is) {
      refuse(`the column ${name} is ${there} in the table, ${is} here`, 'Cast it in a transform.')
    }
  }
  for (const name of have.keys()) {
    if (!wanted.has(name))
      refuse(`the rows have no column ${name}`, `Add it in a transform, for example NULL AS ${name}.`)
  }
  if (added.length === 0) return { findings, schema: theirs, added: [] }
  const schema = JSON.stringify({ ...table, fields: [...(table.fields ?? []), ...added] })
  return { findings, schema, added: added.map(({ name }) => name) }
}

const ADD_HINT = 'Leave it out, or set `schemaChange: evolve` to add it to the table.'

function fieldsOf(schema: string): ReadonlyMap<string, Field> {
  const { fields } = JSON.parse(schema) as { readonly fields?: readonly Field[] }
  return new Map((fields ?? []).map((field) => [field.name, field]))
}

function typeText(type: unknown): string {
  if (typeof type === 'string') return type
  if (Array.isArray(type)) {
    const branches = type.filter((branch) => branch !== 'null').map(typeText)
    return branches.join(' or ')
  }
  const { type: base, logicalType, precision, scale, size } = type as Readonly<Record<string, unknown>>
  if (logicalType === 'decimal')
    return `decimal(${String(precision)},${String(scale)}) in ${String(size ?? base)} bytes`
  return typeof logicalType === 'string' ? logicalType : typeText(base)
}
