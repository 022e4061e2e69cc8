import { isDeepStrictEqual } from 'node:util'
import { assert } from '../core/assert.ts'
import type { BodyFormat } from '../core/batch.ts'
import type { Schema } from '../core/schema.ts'
import { isSameBody } from './bodies.ts'
import type { AssemblyInput } from './assemble.ts'
import type { DraftTransform } from './check-definition.ts'
import { offeredMetadata, relationOf } from './flow.ts'
import type { Edge, QueryStep } from './plan.ts'
import type { CheckedSelect } from './queries.ts'
import { unionPart } from './union.ts'

/** Rows of modules, and dead letters. */
export const ROWS: BodyFormat = { kind: 'rows' }
export const LINES: BodyFormat = { kind: 'bytes', format: 'json', separator: 0x0a }

/** A query step while it is being put together. */
export interface QueryDraft {
  readonly from: readonly string[]
  readonly input: QueryStep['input']
  readonly relation: string
  readonly metadata: Schema
  readonly selects: CheckedSelect[]
  readonly transforms: string[]
  /** The first of its transforms. */
  first?: DraftTransform
  readonly outputs: {
    readonly select: string
    readonly format: BodyFormat
    readonly schema: Schema
    readonly edges: Edge[]
  }[]
  id: string
}

type Parts = Pick<AssemblyInput, 'graph' | 'flow' | 'bodies' | 'sources'>

/** The query steps of a plan. Row-wise transforms that hang together share one, so that rows are decoded once. */
export class QueryDrafts {
  readonly #in: Parts
  readonly #queries = new Map<string, QueryDraft>()
  /** The query step that gives the rows of a port. */
  readonly #owners = new Map<string, QueryDraft>()
  readonly #metadata = new Map<string, Set<string>>()

  constructor(input: Parts) {
    this.#in = input
  }

  all(): QueryDraft[] {
    return [...this.#queries.values()]
  }

  ownerOf(port: string): QueryDraft | undefined {
    return this.#owners.get(port)
  }

  /** Puts a row-wise transform into a query step, that of the rows it reads where it can. */
  add(transform: DraftTransform): void {
    const selects = this.#in.flow.selects.get(transform.id) ?? []
    if (transform.kind === 'union') return this.#addUnion(transform, selects)
    const [first = ''] = transform.from
    const above = transform.from.length === 1 ? this.#owners.get(first) : undefined
    const isShared = above !== undefined && isDeepStrictEqual(above.first?.deadLetter, transform.deadLetter)
    const query = isShared ? above : this.#rootQuery(transform, selects)
    query.first ??= transform
    query.selects.push(...selects)
    query.transforms.push(transform.id)
    for (const select of selects) this.#owners.set(select.name, query)
  }

  /** When all transforms have their steps. */
  name(): void {
    for (const query of this.all()) query.id = query.transforms.join('+')
  }

  /** The step that gives the rows of a port in other bodies, without another change. */
  conversion(port: string): { readonly query: QueryDraft; readonly isNew: boolean } {
    const key = `${port} `
    const isNew = !this.#queries.has(key)
    const query = this.#query(key, [port], port, [])
    if (isNew) query.id = `${port}.convert`
    return { query, isNew }
  }

  /** Leads rows of a query to a step. */
  output(query: QueryDraft, select: string, format: BodyFormat, to: string): void {
    const found = query.outputs.find((output) => output.select === select && isSameBody(output.format, format))
    if (found !== undefined) found.edges.push({ to })
    else query.outputs.push({ select, format, schema: this.schemaOf(select, query), edges: [{ to }] })
  }

  steps(): QueryStep[] {
    return this.all().map((query): QueryStep => ({
      kind: 'query',
      id: query.id,
      input: query.input,
      metadata: query.metadata,
      relation: query.relation,
      selects: query.selects.map(({ name, sql, schema }) => ({ name, sql, schema })),
      outputs: query.outputs,
      ...(query.first?.deadLetter && { deadLetter: query.first.id }),
    }))
  }

  /** Metadata columns of a source that queries read. */
  metadataOf(port: string): Set<string> {
    const found = this.#metadata.get(port) ?? new Set()
    this.#metadata.set(port, found)
    return found
  }

  schemaOf(port: string, query?: QueryDraft): Schema {
    const schema = this.#in.flow.schemas.get(port) ?? query?.input.schema
    assert(schema !== undefined, `the schema of ${port} is known where its values are needed`)
    return schema
  }

  /** Each input is brought into the columns of all where it is made or decoded; then they are one list. */
  #addUnion(transform: DraftTransform, selects: readonly CheckedSelect[]): void {
    const parts = transform.from.map((port) => unionPart(transform.id, port))
    const own = (name: string): CheckedSelect[] => selects.filter((select) => select.name === name)
    for (const [index, port] of transform.from.entries()) {
      const name = parts[index] ?? ''
      const query = this.#owners.get(port) ?? this.#rootQuery({ ...transform, from: [port] }, [])
      query.selects.push(...own(name))
      query.transforms.push(name)
      this.#owners.set(name, query)
    }
    const query = this.#query(`list ${transform.id}`, parts, 'input', [])
    query.selects.push(...own(transform.id))
    query.transforms.push(transform.id)
    this.#owners.set(transform.id, query)
  }

  /** The query step that decodes what this transform reads: shared with others that read the same port the same way. */
  #rootQuery(transform: DraftTransform, selects: readonly CheckedSelect[]): QueryDraft {
    const [first = ''] = transform.from
    const used = new Set(selects.flatMap((select) => select.metadata))
    const metadata = offeredMetadata(transform, this.#in.sources).filter((column) => used.has(column.name))
    for (const port of transform.from) for (const column of metadata) this.metadataOf(port).add(column.name)
    const columns = metadata.map((column) => column.name).join()
    const route = transform.deadLetter === undefined ? '' : JSON.stringify(transform.deadLetter)
    const key = transform.from.length > 1 ? `list ${transform.id}` : `${first} ${columns}${route}`
    return this.#query(key, transform.from, relationOf(transform), metadata)
  }

  #query(key: string, from: readonly string[], relation: string, metadata: Schema): QueryDraft {
    let query = this.#queries.get(key)
    if (query === undefined) {
      query = {
        from,
        input: this.#queryInput(from),
        relation,
        metadata,
        selects: [],
        transforms: [],
        outputs: [],
        id: '',
      }
      this.#queries.set(key, query)
    }
    return query
  }

  /** Several inputs are decoded together where they agree, else each one becomes a table first. */
  #queryInput(from: readonly string[]): QueryStep['input'] {
    const [first = ''] = from
    const schema = this.schemaOf(first)
    const inputs = from.map((port) => {
      const kind = this.#in.graph.ports.get(port)?.kind
      if (kind === 'module') return { format: ROWS, encoding: 'json' as const }
      if (kind === 'letters') return { format: LINES, encoding: 'json' as const }
      const format = kind === 'source' ? this.#in.bodies.gives.get(port) : undefined
      const encoding = this.#in.sources.get(port)?.format
      return format === undefined || encoding === undefined ? undefined : { format, encoding }
    })
    const [one] = inputs
    const isAgreed =
      one !== undefined &&
      inputs.every(
        (other) => other !== undefined && isSameBody(one.format, other.format) && one.encoding === other.encoding,
      )
    return isAgreed ? { ...one, schema } : { format: { kind: 'table' }, encoding: 'json', schema }
  }
}
