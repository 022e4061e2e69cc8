import type { Finding } from '../core/checkpoint-types.ts'
import type { SourceDescription } from '../core/connector.ts'
import { DEAD_LETTER_SCHEMA } from '../core/dead-letters.ts'
import type { Schema } from '../core/schema.ts'
import { sameColumns, parseColumnType } from '../dataplane/types.ts'
import type { Draft, DraftTransform } from './check-definition.ts'
import type { AggregateWork } from '../dataplane/aggregate-work.ts'
import type { DeduplicateWork } from '../dataplane/deduplicate-work.ts'
import type { JoinWork } from '../dataplane/join-work.ts'
import { planAggregate } from './aggregate.ts'
import { planDeduplicate } from './deduplicate.ts'
import { planExplode, type PlannedExplode } from './explode.ts'
import { lateOf, mayBeLate, type Graph } from './graph.ts'
import { joinRests, planJoin } from './join.ts'
import { planLookup, type PlannedLookup } from './lookup.ts'
import { configError, type Path } from './parsed-file.ts'
import { checkSelect, selectsOf, type CheckedSelect } from './queries.ts'
import type { SqlChecker } from './sql-checker.ts'
import { checkUnion } from './union.ts'

/** The schema of every port and the checked statements of every transform. */
export interface Flow {
  /** A port without an entry could not be resolved; `undefined` means rows that nobody has described. */
  readonly schemas: ReadonlyMap<string, Schema | undefined>
  readonly selects: ReadonlyMap<string, readonly CheckedSelect[]>
  /** Of transforms that keep state. */
  readonly aggregates: ReadonlyMap<string, AggregateWork>
  readonly deduplicates: ReadonlyMap<string, DeduplicateWork>
  readonly joins: ReadonlyMap<string, JoinWork>
  readonly lookups: ReadonlyMap<string, PlannedLookup>
  readonly explodes: ReadonlyMap<string, PlannedExplode>
}

/** The name under which SQL knows the input of a transform: the id it reads from, `input` for a list. */
export function relationOf(transform: DraftTransform): string {
  return transform.from.length === 1 ? (transform.from[0] ?? 'input') : 'input'
}

/** Follows the rows through the transforms in order. What reads from a broken part is left out in silence. */
export async function resolveFlow(
  draft: Draft,
  graph: Graph,
  described: ReadonlyMap<string, SourceDescription>,
  checker: SqlChecker,
): Promise<Flow & { readonly findings: readonly Finding[] }> {
  const schemas = new Map<string, Schema | undefined>(draft.sources.map((source) => [source.id, source.schema]))
  const selects = new Map<string, readonly CheckedSelect[]>()
  const aggregates = new Map<string, AggregateWork>()
  const deduplicates = new Map<string, DeduplicateWork>()
  const explodes = new Map<string, PlannedExplode>()
  for (const port of graph.ports.values()) if (port.kind === 'letters') schemas.set(port.name, DEAD_LETTER_SCHEMA)
  const joins = new Map<string, JoinWork>()
  const lookups = new Map<string, PlannedLookup>()
  const findings: Finding[] = []
  const undescribed = new Set<string>()
  for (const transform of graph.transforms) {
    const at = ['transforms', transform.id]
    if (!transform.from.every((name) => schemas.has(name))) continue
    for (const name of transform.from) {
      if (schemas.get(name) === undefined && !undescribed.has(name)) {
        undescribed.add(name)
        findings.push(needsSchema(name, transform.id))
      }
    }
    if (transform.kind === 'union') {
      const planned = await checkUnion(transform.id, transform.from, transform.union, schemas, checker)
      if (!('schema' in planned)) findings.push(...planned)
      else {
        for (const select of planned.selects) schemas.set(select.name, planned.schema)
        selects.set(transform.id, planned.selects)
      }
      continue
    }
    if (transform.kind === 'join') {
      const [left, right] = transform.from.map((name) => schemas.get(name))
      if (left === undefined || right === undefined) continue
      const work = planJoin(transform.id, transform.join, left, right)
      if (!('output' in work)) {
        findings.push(...work)
        continue
      }
      joins.set(transform.id, work)
      schemas.set(transform.id, work.output)
      for (const { name } of joinRests(transform)) schemas.set(name, name.endsWith('.left') ? left : right)
      continue
    }
    const input = commonSchema(transform.from, schemas, at, findings)
    if (input === undefined) continue
    if (transform.kind === 'module') {
      schemas.set(transform.id, transform.declared ?? input)
      continue
    }
    if (transform.kind === 'aggregate') {
      const work = await planAggregate(transform.id, transform.aggregate, input, checker)
      if (!('parts' in work)) {
        findings.push(...work)
        continue
      }
      aggregates.set(transform.id, work)
      schemas.set(transform.id, work.output)
      if (mayBeLate(transform)) schemas.set(lateOf(transform.id), input)
      continue
    }
    if (transform.kind === 'deduplicate') {
      const work = planDeduplicate(transform.id, transform.deduplicate, input)
      if (!('ttl' in work)) {
        findings.push(...work)
        continue
      }
      deduplicates.set(transform.id, work)
      schemas.set(transform.id, input)
      if (mayBeLate(transform)) schemas.set(lateOf(transform.id), input)
      continue
    }
    if (transform.kind === 'explode') {
      const planned = planExplode(transform.id, transform.explode, input)
      if (!('schema' in planned)) {
        findings.push(...planned)
        continue
      }
      explodes.set(transform.id, planned)
      schemas.set(transform.id, planned.schema)
      continue
    }
    if (transform.kind === 'lookup') {
      const { id, lookup, lookedUp } = transform
      const planned = lookedUp === undefined ? [] : planLookup(id, lookup, lookedUp, input)
      if (!('schema' in planned)) {
        findings.push(...planned)
        continue
      }
      lookups.set(id, planned)
      schemas.set(id, planned.schema)
      continue
    }
    const relation = relationOf(transform)
    // A column of the schema is meant where both have its name.
    const columns = new Set(input.map(({ name }) => name.toLowerCase()))
    const metadata = offeredMetadata(transform, described).filter(({ name }) => !columns.has(name))
    const checked: CheckedSelect[] = []
    for (const select of selectsOf(transform, relation, input)) {
      const result = await checkSelect(checker, select, relation, input, metadata)
      if ('schema' in result) checked.push(result)
      else findings.push(...result)
    }
    for (const select of checked) schemas.set(select.name, select.schema)
    selects.set(transform.id, checked)
  }
  return { schemas, selects, aggregates, deduplicates, lookups, explodes, joins, findings: withoutTwins(findings) }
}

/** A finding of a route's first condition would come again with every later branch. */
function withoutTwins(findings: readonly Finding[]): Finding[] {
  const messages = new Set<string>()
  return findings.filter((finding) => {
    const key = JSON.stringify([finding.path?.slice(0, 2), finding.message])
    const isNew = !messages.has(key)
    messages.add(key)
    return isNew
  })
}

export function needsSchema(port: string, reader: string): Finding {
  const hint = 'name its columns and types: schema: {id: bigint, …}'
  return configError(
    `${JSON.stringify(reader)} needs the columns of ${JSON.stringify(port)}, which has no \`schema\``,
    ['sources', port],
    hint,
  )
}

/** Metadata columns are there only while rows come straight from sources that all know them. */
export function offeredMetadata(transform: DraftTransform, described: ReadonlyMap<string, SourceDescription>): Schema {
  const [first, ...others] = transform.from.map((name) => described.get(name)?.metadata ?? [])
  const isIn = (name: string): boolean => others.every((schema) => schema.some((column) => column.name === name))
  return (first ?? []).filter((column) => isIn(column.name))
}

/** The schema of a fan-in: all inputs have the same columns in the same order. */
export function commonSchema(
  from: readonly string[],
  schemas: ReadonlyMap<string, Schema | undefined>,
  at: Path,
  findings: Finding[],
): Schema | undefined {
  const [first = '', ...others] = from
  const schema = schemas.get(first)
  for (const name of others) {
    const other = schemas.get(name)
    if (isSameSchema(schema, other)) continue
    const hint = `${first}: ${formatSchema(schema)}; ${name}: ${formatSchema(other)}`
    findings.push(
      configError(`${JSON.stringify(first)} and ${JSON.stringify(name)} have different schemas`, [...at, 'from'], hint),
    )
    return undefined
  }
  return schema
}

function isSameSchema(left: Schema | undefined, right: Schema | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  const typed = (schema: Schema): Parameters<typeof sameColumns>[0] =>
    schema.map((column) => ({ ...column, type: parseColumnType(column.type) }))
  return sameColumns(typed(left), typed(right))
}

/** `id bigint, event varchar`, for messages and `explain`. */
export function formatSchema(schema: Schema | undefined): string {
  if (schema === undefined) return 'not described'
  return schema.map((column) => `${column.name} ${column.type}${column.nullable ? '' : ' not null'}`).join(', ')
}
