import type { Finding } from '../../core/checkpoint-types.ts'

/**
 * Whether files of the schema `ours` may be added to a table of the schema `theirs` (both Avro, as JSON text). Names
 * and types have to agree; the names inside of types, the order and whether null is allowed need not.
 */
export function compareSchemas(ours: string, theirs: string | undefined): readonly Finding[] {
  if (theirs === undefined) return []
  const have = fieldsOf(theirs)
  const findings: Finding[] = []
  const refuse = (message: string, hint: string): void => {
    findings.push({ severity: 'error', code: 'SCHEMA', message, hint })
  }
  const wanted = fieldsOf(ours)
  for (const [name, type] of wanted) {
    const found = have.get(name)
    if (found === undefined) refuse(`the table has no column ${name}`, 'Leave it out, or add it to the table.')
    else if (found !== type)
      refuse(`the column ${name} is ${found} in the table, ${type} here`, 'Cast it in a transform.')
  }
  for (const name of have.keys()) {
    if (!wanted.has(name))
      refuse(`the rows have no column ${name}`, `Add it in a transform, for example NULL AS ${name}.`)
  }
  return findings
}

function fieldsOf(schema: string): ReadonlyMap<string, string> {
  const { fields } = JSON.parse(schema) as { readonly fields?: readonly { name: string; type: unknown }[] }
  return new Map((fields ?? []).map(({ name, type }) => [name, typeText(type)]))
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
