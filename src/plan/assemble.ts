import type { BodyFormat } from '../core/batch.ts'
import type { SinkDescription, SourceDescription } from '../core/connector.ts'
import { assert } from '../core/assert.ts'
import { encodable, formatBody, isSameBody, type BodyChoice } from './bodies.ts'
import type { Draft, DraftTransform } from './check-definition.ts'
import { columnsRead, rowsKept } from './columns-read.ts'
import type { Flow } from './flow.ts'
import { exchangeSteps, routingOf, TABLE, type Exchanged } from './exchange-steps.ts'
import { sourcesOf, type Graph } from './graph.ts'
import { inFlowOrder } from './flow-order.ts'
import { joinSteps, keyedSteps, type KeyedSteps } from './keyed-steps.ts'
import type { Edge, ExplodeStep, LettersStep, LookupStep, ModuleStep, SinkStep, SourceStep, Step } from './plan.ts'
import { LINES, QueryDrafts, ROWS } from './query-drafts.ts'

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

function isQuery({ kind }: DraftTransform): boolean {
  return !['module', 'aggregate', 'deduplicate', 'lookup', 'explode', 'join'].includes(kind)
}

class Assembly {
  readonly #in: AssemblyInput
  readonly #queries: QueryDrafts
  readonly #direct = new Map<string, Edge[]>()
  readonly #notes: EdgeNote[] = []
  readonly #exchanged: Exchanged[] = []
  readonly #keyed: KeyedSteps[] = []

  constructor(input: AssemblyInput) {
    this.#in = input
    this.#queries = new QueryDrafts(input)
  }

  run(): { steps: Step[]; notes: EdgeNote[] } {
    const { draft, graph } = this.#in
    for (const transform of graph.transforms) if (isQuery(transform)) this.#queries.add(transform)
    this.#queries.name()
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
    const between = [
      ...this.#queries.steps(),
      ...this.#moduleSteps(),
      ...lookups,
      ...explodes,
      ...keyed.flat(),
      ...exchanges,
    ]
    const steps = [...this.#sourceSteps(), ...this.#letterSteps(), ...between, ...this.#sinkSteps()]
    return { steps: inFlowOrder(steps), notes: this.#notes }
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

  #connectQueries(): void {
    for (const query of this.#queries.all()) {
      for (const port of query.from) this.#connect(port, query.id, query.input.format)
    }
  }

  /** Leads the rows of a port to a step in this body; a conversion step comes between where the port cannot give it. */
  #connect(port: string, to: string, body: BodyFormat): void {
    const owner = this.#queries.ownerOf(port)
    if (owner !== undefined) {
      this.#queries.output(owner, port, body, to)
      this.#note(owner.id, port, to, body, 'encoded once by the query, as the reader wants it')
      return
    }
    const given = this.#given(port)
    assert(given !== undefined, `a body was chosen for ${port}`)
    if (isSameBody(given, body) && !(given.kind === 'bytes' && this.#mustDecode(port, to))) {
      const edges = this.#direct.get(port) ?? []
      edges.push({ to })
      this.#direct.set(port, edges)
      this.#note(port, port, to, body, this.#whyDirect(port, to, body))
      return
    }
    this.#convert(port, to, body, given)
  }

  #convert(port: string, to: string, body: BodyFormat, given: BodyFormat): void {
    const { query, isNew } = this.#queries.conversion(port)
    if (isNew) this.#connect(port, query.id, query.input.format)
    this.#queries.output(query, query.relation, body, to)
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
    const exchanged = exchangeSteps(sink, routing, this.#queries.schemaOf(from[0] ?? ''), this.#takes(sink))
    this.#exchanged.push(exchanged)
    this.#notes.push(...exchanged.notes)
    return exchanged
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

  #sourceSteps(): SourceStep[] {
    return this.#in.draft.sources.map((source) => {
      const description = this.#in.sources.get(source.id)
      const gives = this.#in.bodies.gives.get(source.id)
      assert(description !== undefined && gives !== undefined, `${source.id} was described`)
      const { draft, graph, flow } = this.#in
      const reads = gives.kind === 'table' ? columnsRead(source.id, draft, graph, flow) : undefined
      const prune = description.prunes === true ? rowsKept(source.id, draft, graph, flow) : undefined
      return {
        kind: 'source',
        id: source.id,
        connector: source.connectorName,
        options: source.options,
        bounded: description.bounded,
        schema: source.schema,
        gives,
        format: description.format,
        metadata: [...this.#queries.metadataOf(source.id)],
        ...(reads && { reads }),
        ...(prune !== undefined && { prune }),
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

  #moduleSteps(): ModuleStep[] {
    return this.#in.graph.transforms.flatMap((transform): ModuleStep[] => {
      if (transform.kind !== 'module') return []
      const file = this.#in.moduleFiles.get(transform.id)
      assert(file !== undefined, `the file of ${transform.id} was resolved`)
      const input = this.#queries.schemaOf(transform.from[0] ?? '')
      return [
        {
          kind: 'module',
          id: transform.id,
          file,
          input,
          schema: this.#queries.schemaOf(transform.id),
          outputs: this.#direct.get(transform.id) ?? [],
        },
      ]
    })
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
