import type { Finding } from '../core/checkpoint-types.ts'
import type { SourceDescription } from '../core/connector.ts'
import type { Column, Schema } from '../core/schema.ts'
import { parseColumnType } from '../dataplane/types.ts'
import { decodable } from './bodies.ts'
import type { DraftSource } from './check-definition.ts'
import type { LookupOptions } from './lookup-definition.ts'
import { configError, type Path } from './parsed-file.ts'
import type { LookupStep } from './plan.ts'
import { suggestion } from './suggest.ts'

export type PlannedLookup = Omit<LookupStep, 'outputs' | 'kind'>

/** Checks a `lookup` against the columns that it reads and those of its table, and plans it. */
export function planLookup(
  id: string,
  { on, columns, refresh, missing, onDemand }: LookupOptions,
  source: DraftSource,
  input: Schema,
): PlannedLookup | readonly Finding[] {
  const at = ['transforms', id, 'lookup']
  const description = source.connector.describe(source.checked, { schema: source.schema })
  const findings: Finding[] = [...tableFindings(source, description, at, onDemand !== undefined)]
  const table = source.schema ?? []
  if (refresh !== undefined && onDemand !== undefined) {
    findings.push(configError('nothing is read whole, so nothing is refreshed: see `onDemand.ttl`', [...at, 'refresh']))
  }
  if (findings.length > 0) return findings
  const keys = Object.entries(on).map(([row, column]) => {
    const left = find(input, row, [...at, 'on', row], findings)
    const right = find(table, column, [...at, 'on', row], findings)
    if (left !== undefined && right !== undefined && !areComparable(left, right)) {
      const message = `${row} is ${left.type}, and ${column} of the table is ${right.type}`
      findings.push(configError(message, [...at, 'on', row], 'make them the same type with a `map` before'))
    }
    return { row: left?.name ?? row, column: right?.name ?? column }
  })
  const taken = new Set(input.map(({ name }) => name.toLowerCase()))
  const added = Object.entries(columns).map(([name, column]) => {
    const found = find(table, column, [...at, 'columns', name], findings)
    if (taken.has(name.toLowerCase())) {
      const hint = `give it another name: columns: {other_${name}: ${column}}`
      findings.push(configError(`the rows have a column ${name} already`, [...at, 'columns', name], hint))
    }
    taken.add(name.toLowerCase())
    return { name, column: found?.name ?? column, type: found?.type ?? 'varchar', nullable: found?.nullable ?? true }
  })
  const used = new Set([...keys, ...added].map(({ column }) => column))
  const isUsed = (name: string): boolean => used.has(name)
  const gives = decodable(description)
  if (gives === undefined) findings.push(configError('its records have no columns', [...at, 'table']))
  if (findings.length > 0 || gives === undefined) return findings
  const found = added.map(({ name, type, nullable }) => ({ name, type, nullable: nullable || missing === 'null' }))
  return {
    id,
    input,
    on: keys,
    columns: added.map(({ name, column }) => ({ name, column })),
    missing,
    ...(refresh === undefined ? {} : { refreshMs: refresh }),
    ...(onDemand && {
      onDemand: {
        cacheBytes: onDemand.cache,
        ttlMs: onDemand.ttl,
        missingTtlMs: onDemand.missingTtl,
        batchKeys: onDemand.keys,
      },
    }),
    schema: [...input, ...found],
    table: {
      connector: source.connectorName,
      options: source.options,
      // Of a table that is asked for keys nothing else is read.
      schema: onDemand === undefined ? table : table.filter(({ name }) => isUsed(name)),
      gives,
      format: description.format,
    },
  }
}

function* tableFindings(
  source: DraftSource,
  { bounded, findings }: SourceDescription,
  lookup: Path,
  isOnDemand: boolean,
): Iterable<Finding> {
  const at = [...lookup, 'table']
  for (const finding of findings) yield { ...finding, path: [...at, ...(finding.path ?? [])] }
  if (isOnDemand && source.connector.openKeyed === undefined) {
    const hint = 'leave it out: then the table is read whole'
    yield configError(`${source.connectorName} cannot be asked for single keys`, [...lookup, 'onDemand'], hint)
  }
  if (!bounded && !isOnDemand) {
    yield configError('a table is read to its end, and this source has none', at, 'for many: end: latest')
  }
  if (source.schema === undefined) {
    yield configError('the columns of the table are not known', at, 'name them: schema: {id: bigint, …}')
  }
}

function find(schema: Schema, name: string, at: Path, findings: Finding[]): Column | undefined {
  const found = schema.find((column) => column.name.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return found
  const names = schema.map((column) => column.name)
  findings.push(configError(`there is no column ${name}`, at, suggestion(name, names)))
  return undefined
}

/** Equal values have to mean the same without a conversion that may fail or round. */
function areComparable(left: Column, right: Column): boolean {
  const [one, other] = [parseColumnType(left.type), parseColumnType(right.type)]
  if (one.kind === 'float' || one.kind === 'double' || one.kind === 'json') return false
  return one.kind === other.kind
}
