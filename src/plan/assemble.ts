import { isDeepStrictEqual } from 'node:util'
import type { BodyFormat } from '../core/batch.ts'
import type { SinkDescription, SourceDescription } from '../core/connector.ts'
import { assert } from '../core/assert.ts'
import type { Schema } from '../core/schema.ts'
import { encodable, formatBody, isSameBody, type BodyChoice } from './bodies.ts'
import type { Draft, DraftTransform } from './check-definition.ts'
import { columnsRead } from './columns-read.ts'
import { offeredMetadata, relationOf, type Flow } from './flow.ts'
import { exchangeSteps, routingOf, TABLE, type Exchanged } from './exchange-steps.ts'
import { sourcesOf, type Graph } from './graph.ts'
import type { CheckedSelect } from './queries.ts'
import { inFlowOrder } from './flow-order.ts'
import { joinSteps, keyedSteps, type KeyedSteps } from './keyed-steps.ts'
import type {
  Edge,
  ExplodeStep,
  LettersStep,
  LookupStep,
  ModuleStep,
  QueryStep,
  SinkStep,
  SourceStep,
  Step,
} from './plan.ts'
import { unionPart } from './union.ts'

/** Why an edge carries the body that it carries, for `explain`. */
export interface EdgeNote {
  readonly from: string
  /** The output whose rows go there: the id of a source or transform, or a branch of a route. */
  readonly rows: string
  readonly to: string
  readonly body: string
  readonly why: string
}

export interface AssemblyInput {
  readonly draft: Draft
  readonly graph: Graph
  readonly flow: Flow
  readonly bodies: BodyChoice
  readonly sources: ReadonlyMap<string, SourceDescription>
  readonly sinks: ReadonlyMap<string, SinkDescription>
  /** Absolute file of each module transform. */
  readonly moduleFiles: ReadonlyMap<string, string>
  readonly lanes: number
}

/** A query step while it is being put together. */
interface QueryDraft {
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

/**
 * Makes steps of the resolved parts. Row-wise transforms that hang together become one query step, so that rows are
 * decoded once. Transforms that read different metadata columns of a source do not share a step: `*` contains a metadata
 * column where it is used, and must not contain those of a neighbour.
 */
export function assemble(input: AssemblyInput): {
  readonly steps: readonly Step[]
  readonly notes: readonly EdgeNote[]
} {
  return new Assembly(input).run()
}

const ROWS: BodyFormat = { kind: 'rows' }
const LINES: BodyFormat = { kind: 'bytes', format: 'json', separator: 0x0a }

function isQuery({ kind }: DraftTransform): boolean {
  return !['module', 'aggregate', 'deduplicate', 'lookup', 'explode', 'join'].includes(kind)
}

class Assembly {
  readonly #in: AssemblyInput
  readonly #queries = new Map<string, QueryDraft>()
  /** The query step that gives the rows of a port. */
  readonly #owners = new Map<string, QueryDraft>()
  readonly #direct = new Map<string, Edge[]>()
  readonly #metadata = new Map<string, Set<string>>()
  readonly #notes: EdgeNote[] = []
  readonly #exchanged: Exchanged[] = []
  readonly #keyed: KeyedSteps[] = []

  constructor(input: AssemblyInput) {
    this.#in = input
  }

  run(): { steps: Step[]; notes: EdgeNote[] } {
    const { draft, graph } = this.#in
    for (const transform of graph.transforms) if (isQuery(transform)) this.#addToQuery(transform)
    for (const query of this.#queries.values()) query.id = query.transforms.join('+')
    this.#connectQueries()
    for (const transform of graph.transforms) {
      if (transform.kind === 'module')
        for (const port of transform.from) this.#connect(port, transform.id, { kind: 'rows' })
    }
    for (const transform of graph.transforms) {
      if (transform.kind === 'aggregate' || transform.kind === 'deduplicate') this.#addKeyed(transform)
      if (transform.kind === 'join') this.#addJoin(transform)
      if (transform.kind === 'lookup' || transform.kind === 'explode')
        for (const port of transform.from) this.#connect(port, transform.id, TABLE)
    }
    for (const sink of draft.sinks) {
      const exchanged = this.#exchange(sink.id, sink.from)
      for (const port of sink.from) {
        if (exchanged === undefined) this.#connect(port, sink.id, this.#takes(sink.id))
        else this.#connect(port, exchanged.exchange.id, TABLE)
      }
    }
    const exchanges = this.#exchanged.flatMap(({ steps }) => steps)
    const keyed = this.#keyed.map((make) => make((port) => this.#direct.get(port) ?? []))
    const lookups = [...this.#in.flow.lookups.values()].map((lookup): LookupStep => ({
      kind: 'lookup',
      ...lookup,
      outputs: this.#direct.get(lookup.id) ?? [],
    }))
    const explodes = [...this.#in.flow.explodes.values()].map((explode): ExplodeStep => ({
      kind: 'explode',
      ...explode,
      outputs: this.#direct.get(explode.id) ?? [],
    }))
    const between = [...this.#queryAndModuleSteps(), ...lookups, ...explodes, ...keyed.flat(), ...exchanges]
    const steps = [...this.#sourceSteps(), ...this.#letterSteps(), ...between, ...this.#sinkSteps()]
    return { steps: inFlowOrder(steps), notes: this.#notes }
  }

  #addToQuery(transform: DraftTransform): void {
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

  /** An aggregate takes tables; what reads its results finds tables, too. */
  #addKeyed(transform: DraftTransform): void {
    const { graph, flow, lanes } = this.#in
    const work = flow.aggregates.get(transform.id) ?? flow.deduplicates.get(transform.id)
    assert(work !== undefined, `${transform.id} was planned`)
    const { first, notes, steps } = keyedSteps(work, sourcesOf(transform.id, graph), lanes)
    for (const port of transform.from) this.#connect(port, first, TABLE)
    this.#notes.push(...notes)
    this.#keyed.push(steps)
  }

  #addJoin(transform: DraftTransform): void {
    const { graph, flow, lanes } = this.#in
    const work = flow.joins.get(transform.id)
    assert(work !== undefined, `${transform.id} was planned`)
    const { first, notes, steps } = joinSteps(work, sourcesOf(transform.id, graph), lanes)
    for (const [index, port] of transform.from.entries()) this.#connect(port, first[index] ?? '', TABLE)
    this.#notes.push(...notes)
    this.#keyed.push(steps)
  }

  /** The query step that decodes what this transform reads: shared with others that read the same port the same way. */
  #rootQuery(transform: DraftTransform, selects: readonly CheckedSelect[]): QueryDraft {
    const [first = ''] = transform.from
    const used = new Set(selects.flatMap((select) => select.metadata))
    const metadata = offeredMetadata(transform, this.#in.sources).filter((column) => used.has(column.name))
    for (const port of transform.from) for (const column of metadata) this.#metadataOf(port).add(column.name)
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
    const schema = this.#schema(first)
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

  #connectQueries(): void {
    for (const query of [...this.#queries.values()]) {
      for (const port of query.from) this.#connect(port, query.id, query.input.format)
    }
  }

  /** Leads the rows of a port to a step in this body; a conversion step comes between where the port cannot give it. */
  #connect(port: string, to: string, body: BodyFormat): void {
    const owner = this.#owners.get(port)
    if (owner !== undefined) {
      this.#output(owner, port, body, to)
      this.#note(owner.id, port, to, body, 'encoded once by the query, as the reader wants it')
      return
    }
    const given = this.#given(port)
    assert(given !== undefined, `a body was chosen for ${port}`)
    if (isSameBody(given, body) && !this.#mustDecode(port, to)) {
      const edges = this.#direct.get(port) ?? []
      edges.push({ to })
      this.#direct.set(port, edges)
      this.#note(port, port, to, body, this.#whyDirect(port, to, body))
      return
    }
    this.#convert(port, to, body, given)
  }

  #convert(port: string, to: string, body: BodyFormat, given: BodyFormat): void {
    const key = `${port} `
    const isNew = !this.#queries.has(key)
    const query = this.#query(key, [port], port, [])
    if (isNew) {
      query.id = `${port}.convert`
      this.#connect(port, query.id, query.input.format)
    }
    this.#output(query, query.relation, body, to)
    const why = isSameBody(given, body)
      ? `each record of ${port} is decoded: bad ones become dead letters`
      : `converted: ${port} gives ${formatBody(given)}`
    this.#note(query.id, port, to, body, why)
  }

  #given(port: string): BodyFormat | undefined {
    const kind = this.#in.graph.ports.get(port)?.kind
    if (kind === 'source') return this.#in.bodies.gives.get(port)
    if (kind === 'letters') return LINES
    return kind === 'keyed' ? TABLE : ROWS
  }

  /** A source with dead letters hands a sink only what was decoded; other steps decode for themselves. */
  #mustDecode(port: string, to: string): boolean {
    const { sources, sinks } = this.#in.draft
    const isOfSource = sources.some(({ id, deadLetter }) => id === port && deadLetter !== undefined)
    return isOfSource && sinks.some(({ id }) => id === to)
  }

  /** Where the sink wants its rows by key. */
  #exchange(sink: string, from: readonly string[]): Exchanged | undefined {
    const routing = routingOf(this.#in.sinks.get(sink), this.#in.lanes)
    if (routing === undefined) return undefined
    const exchanged = exchangeSteps(sink, routing, this.#schema(from[0] ?? ''), this.#takes(sink))
    this.#exchanged.push(exchanged)
    this.#notes.push(...exchanged.notes)
    return exchanged
  }

  #output(query: QueryDraft, select: string, format: BodyFormat, to: string): void {
    const found = query.outputs.find((output) => output.select === select && isSameBody(output.format, format))
    if (found !== undefined) found.edges.push({ to })
    else query.outputs.push({ select, format, schema: this.#schema(select, query), edges: [{ to }] })
  }

  #whyDirect(port: string, to: string, body: BodyFormat): string {
    const isSink = this.#in.draft.sinks.some((sink) => sink.id === to)
    const kind = this.#in.graph.ports.get(port)?.kind
    if (kind === 'letters') return 'dead letters, a part of the same checkpoint'
    if (kind === 'module') return 'rows of the module'
    if (kind === 'keyed') return isSink ? 'taken as it is' : 'read there'
    if (!isSink) return body.kind === 'bytes' ? 'decoded there' : 'read there'
    return body.kind === 'bytes'
      ? 'passed through: the records’ bytes are what the sink takes, nothing is parsed'
      : 'taken as it is'
  }

  #note(from: string, rows: string, to: string, body: BodyFormat, why: string): void {
    this.#notes.push({ from, rows, to, body: formatBody(body), why })
  }

  #schema(port: string, query?: QueryDraft): Schema {
    const schema = this.#in.flow.schemas.get(port) ?? query?.input.schema
    assert(schema !== undefined, `the schema of ${port} is known where its values are needed`)
    return schema
  }

  get #hasEventTime(): boolean {
    const { aggregates, deduplicates, joins } = this.#in.flow
    if (joins.size > 0) return true
    return [...aggregates.values(), ...deduplicates.values()].some(({ time }) => time !== undefined)
  }

  #takes(sink: string): BodyFormat {
    const description = this.#in.sinks.get(sink)
    if (description !== undefined && routingOf(description, this.#in.lanes) !== undefined)
      return encodable(description.takes)
    const body = this.#in.bodies.takes.get(sink)
    assert(body !== undefined, `a body was chosen for ${sink}`)
    return body
  }

  #metadataOf(port: string): Set<string> {
    const found = this.#metadata.get(port) ?? new Set()
    this.#metadata.set(port, found)
    return found
  }

  #sourceSteps(): SourceStep[] {
    return this.#in.draft.sources.map((source) => {
      const description = this.#in.sources.get(source.id)
      const gives = this.#in.bodies.gives.get(source.id)
      assert(description !== undefined && gives !== undefined, `${source.id} was described`)
      const { draft, graph, flow } = this.#in
      const reads = gives.kind === 'table' ? columnsRead(source.id, draft, graph, flow) : undefined
      return {
        kind: 'source',
        id: source.id,
        connector: source.connectorName,
        options: source.options,
        bounded: description.bounded,
        schema: source.schema,
        gives,
        format: description.format,
        metadata: [...this.#metadataOf(source.id)],
        ...(reads && { reads }),
        // A split that changes lanes would not hold event time back while it has none.
        ...(description.rebalance === true && !this.#hasEventTime && { rebalance: true }),
        ...(description.tables === true && { tables: true }),
        delivery: description.delivery,
        outputs: this.#direct.get(source.id) ?? [],
      }
    })
  }

  #letterSteps(): LettersStep[] {
    return [...this.#in.graph.ports.values()].flatMap(({ name, kind }): LettersStep[] => {
      const sink = this.#in.draft.sinks.find(({ from }) => from.includes(name))?.id
      if (kind !== 'letters' || sink === undefined) return []
      return [{ kind: 'letters', id: name, sink, outputs: this.#direct.get(name) ?? [] }]
    })
  }

  #queryAndModuleSteps(): (QueryStep | ModuleStep)[] {
    const queries = [...this.#queries.values()].map((query): QueryStep => ({
      kind: 'query',
      id: query.id,
      input: query.input,
      metadata: query.metadata,
      relation: query.relation,
      selects: query.selects.map(({ name, sql, schema }) => ({ name, sql, schema })),
      outputs: query.outputs,
      ...(query.first?.deadLetter && { deadLetter: query.first.id }),
    }))
    const modules = this.#in.graph.transforms.flatMap((transform): ModuleStep[] => {
      if (transform.kind !== 'module') return []
      const file = this.#in.moduleFiles.get(transform.id)
      assert(file !== undefined, `the file of ${transform.id} was resolved`)
      const input = this.#schema(transform.from[0] ?? '')
      return [
        {
          kind: 'module',
          id: transform.id,
          file,
          input,
          schema: this.#schema(transform.id),
          outputs: this.#direct.get(transform.id) ?? [],
        },
      ]
    })
    return [...queries, ...modules]
  }

  #sinkSteps(): SinkStep[] {
    return this.#in.draft.sinks.map((sink) => {
      const description = this.#in.sinks.get(sink.id)
      assert(description !== undefined, `${sink.id} was described`)
      return {
        kind: 'sink',
        id: sink.id,
        connector: sink.connectorName,
        options: sink.options,
        takes: this.#takes(sink.id),
        schema: this.#in.flow.schemas.get(sink.from[0] ?? ''),
        writers: description.writers,
        ...(description.tables === true && { tables: true }),
        delivery: description.delivery,
      }
    })
  }
}
