import { resolve } from 'node:path'
import type { Finding } from '../core/checkpoint-types.ts'
import type { SinkDescription, SourceDescription } from '../core/connector.ts'
import type { CheckpointTimes } from '../core/context.ts'
import type { OpenStore } from '../core/file-store.ts'
import type { JsonObject } from '../core/json.ts'
import type { S3Options } from '../core/options.ts'
import { assemble, type EdgeNote } from './assemble.ts'
import { chooseBodies, isSameBody, type BodyChoice } from './bodies.ts'
import { deadLetterFindings, deadLetterRoutes } from './dead-letter-drafts.ts'
import { depthFindings } from './depth.ts'
import { discoverSchemas } from './discover-schemas.ts'
import { checkDefinition, type ConnectorLookup, type Draft } from './check-definition.ts'
import type { PipelineDefinition } from './definition.ts'
import { judgeDelivery, severalSinks, type DeliveryPart } from './delivery.ts'
import { routingOf, TABLE } from './exchange-steps.ts'
import { fingerprint } from './fingerprint.ts'
import { commonSchema, needsSchema, resolveFlow, type Flow } from './flow.ts'
import { buildGraph, type Graph, type Port } from './graph.ts'
import { resolveModule } from './module-path.ts'
import { configError } from './parsed-file.ts'
import { plainStorageFindings } from './plain-storage.ts'
import type { Plan } from './plan.ts'
import { checkRowExpression } from './queries.ts'
import { severalTablesFindings } from './several-tables.ts'
import type { SqlChecker } from './sql-checker.ts'
import { takenBackFindings } from './taken-back.ts'

/** What planning needs from outside. */
export interface PlanningContext {
  readonly connectors: ConnectorLookup
  readonly sql: SqlChecker
  /** Absolute directory of the pipeline file. */
  readonly baseDirectory: string
  /** Lanes when the file does not say: `os.availableParallelism()`. */
  readonly cores: number
  /** How stores are opened, for sources that are asked for their columns. */
  readonly storeOpener: (s3: S3Options | undefined) => OpenStore
  /** Paths (as JSON) whose text came from the environment. */
  readonly fromEnvironment?: ReadonlySet<string>
}

/** A plan with the reasons behind it, which lanes do not need and `explain` prints. */
export interface PlannedPipeline {
  readonly plan: Plan
  readonly edges: readonly EdgeNote[]
  readonly deliveryParts: readonly DeliveryPart[]
}

/**
 * Checks a definition and turns it into a plan. All mistakes are found in one go: what does not depend on a broken part
 * is checked all the same. There is a plan only when no finding is an error.
 */
export async function buildPlan(
  value: JsonObject,
  context: PlanningContext,
): Promise<{ readonly planned: PlannedPipeline | undefined; readonly findings: readonly Finding[] }> {
  const { draft: asWritten, findings: first } = await checkDefinition(
    value,
    context.fromEnvironment ?? new Set(),
    context.connectors,
  )
  const findings = [...first]
  const draft = await discoverSchemas(
    asWritten,
    { baseDirectory: context.baseDirectory, openStore: context.storeOpener(asWritten.definition.s3) },
    findings,
  )
  const { graph, findings: ofGraph } = buildGraph(draft)
  findings.push(...ofGraph, ...depthFindings(draft, graph), ...plainStorageFindings(draft))
  const times = timesOf(draft.definition)
  const lanes = draft.definition.parallelism ?? context.cores
  const sources = describeSources(draft, findings)
  const flow = await resolveFlow(draft, graph, sources, context.sql)
  findings.push(...flow.findings)
  const sinks = await describeSinks(draft, flow, { times, lanes, checker: context.sql }, findings)
  findings.push(...severalTablesFindings(draft, sources, sinks), ...deadLetterFindings(draft, sources))
  findings.push(...takenBackFindings(draft, graph, flow, sinks))
  const moduleFiles = await resolveModules(draft, context.baseDirectory, findings)
  const parts = deliveryParts(draft, sources, sinks)
  const { delivery, findings: ofDelivery } = judgeDelivery(parts, draft.definition)
  if (draft.broken.length === 0) findings.push(...ofDelivery)
  if (hasErrors(findings)) return { planned: undefined, findings }
  const bodies = choose(draft, graph, sources, sinks, lanes)
  findings.push(...undecodableFindings(bodies.undecodable, sources), ...undescribedFindings(draft, bodies, graph, flow))
  if (hasErrors(findings)) return { planned: undefined, findings }
  const { steps, notes } = assemble({ draft, graph, flow, bodies, sources, sinks, moduleFiles, lanes })
  const { name, was, checkpoint, memoryLimit, s3 } = draft.definition
  const routes = deadLetterRoutes(draft)
  const plan: Plan = {
    name,
    was: was ?? [],
    parallelism: lanes,
    ...(memoryLimit === undefined ? {} : { memoryLimitBytes: memoryLimit }),
    delivery,
    mode: modeOf(draft.definition),
    times,
    storage: checkpoint.storage.startsWith('s3://')
      ? checkpoint.storage
      : resolve(context.baseDirectory, checkpoint.storage),
    s3,
    baseDirectory: context.baseDirectory,
    steps,
    fingerprint: fingerprint({
      name,
      sources: draft.sources.map(({ id, connectorName }) => ({ id, connector: connectorName })),
      sinks: draft.sinks.map(({ id, connectorName, options }) => ({ id, connector: connectorName, options })),
    }),
    ...(routes.size > 0 && { deadLetters: Object.fromEntries(routes) }),
    findings,
  }
  return { planned: { plan, edges: notes, deliveryParts: parts }, findings }
}

function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some((finding) => finding.severity === 'error')
}

function timesOf({ checkpoint }: PipelineDefinition): CheckpointTimes {
  return {
    intervalMs: checkpoint.interval,
    timeoutMs: checkpoint.timeout,
    maxDowntimeMs: checkpoint.maxDowntime,
    retained: checkpoint.retained,
  }
}

function modeOf(definition: PipelineDefinition): Plan['mode'] {
  return definition.delivery === 'at-least-once' ? 'at-least-once' : 'two-phase'
}

/** Connectors do not know their id: paths in their findings begin at their own options. */
function placed(findings: readonly Finding[], section: 'sources' | 'sinks', id: string): Finding[] {
  return findings.map((finding) => {
    const path = finding.path ?? []
    return { ...finding, path: path[0] === section && path[1] === id ? path : [section, id, ...path] }
  })
}

function describeSources(draft: Draft, findings: Finding[]): Map<string, SourceDescription> {
  const described = new Map<string, SourceDescription>()
  for (const source of draft.sources) {
    const description = source.connector.describe(source.checked, { schema: source.schema })
    described.set(source.id, description)
    findings.push(...placed(description.findings, 'sources', source.id))
  }
  return described
}

async function describeSinks(
  draft: Draft,
  flow: Flow,
  context: { readonly times: CheckpointTimes; readonly lanes: number; readonly checker: SqlChecker },
  findings: Finding[],
): Promise<Map<string, SinkDescription>> {
  const { times, lanes, checker } = context
  const described = new Map<string, SinkDescription>()
  for (const sink of draft.sinks) {
    if (!sink.from.every((name) => flow.schemas.has(name))) continue
    const schema = commonSchema(sink.from, flow.schemas, ['sinks', sink.id], findings)
    const { accept: accepted = [] } = draft.definition
    const ask = { schema, lanes, times, delivery: modeOf(draft.definition), accepted }
    const description = sink.connector.describe(sink.checked, ask)
    described.set(sink.id, description)
    findings.push(...placed(description.findings, 'sinks', sink.id))
    if (schema === undefined) continue
    for (const { sql, path } of description.expressions ?? []) {
      findings.push(...placed(await checkRowExpression(checker, sql, schema, path), 'sinks', sink.id))
    }
  }
  return described
}

async function resolveModules(draft: Draft, baseDirectory: string, findings: Finding[]): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const transform of draft.transforms) {
    if (transform.kind !== 'module') continue
    const found = await resolveModule(baseDirectory, transform.module)
    if ('file' in found) files.set(transform.id, found.file)
    else
      findings.push(
        configError(`module ${JSON.stringify(transform.module)}: ${found.problem}`, [
          'transforms',
          transform.id,
          'module',
        ]),
      )
  }
  return files
}

function deliveryParts(
  draft: Draft,
  sources: ReadonlyMap<string, SourceDescription>,
  sinks: ReadonlyMap<string, SinkDescription>,
): DeliveryPart[] {
  const parts = [...draft.sources, ...draft.sinks].flatMap(({ id }): DeliveryPart[] => {
    const delivery = (sources.get(id) ?? sinks.get(id))?.delivery
    return delivery === undefined ? [] : [{ part: id, delivery }]
  })
  return [...parts, ...severalSinks(draft.sinks.length)]
}

function choose(
  draft: Draft,
  graph: Graph,
  sources: ReadonlyMap<string, SourceDescription>,
  sinks: ReadonlyMap<string, SinkDescription>,
  lanes: number,
): BodyChoice {
  const decoded = new Map<string, string>()
  // What a source with dead letters gives a sink comes out of the step that decodes it.
  const isDecodedFirst = new Set(draft.sources.flatMap(({ id, deadLetter }) => (deadLetter === undefined ? [] : [id])))
  for (const id of isDecodedFirst) decoded.set(id, id)
  const portsOf = (from: readonly string[]): Port[] =>
    from.flatMap((name): Port[] => {
      const port = graph.ports.get(name)
      if (port === undefined) return []
      return [isDecodedFirst.has(name) ? { ...port, kind: 'query' } : port]
    })
  for (const transform of graph.transforms) {
    for (const name of transform.from) if (graph.ports.get(name)?.kind === 'source') decoded.set(name, transform.id)
  }
  const questions = draft.sinks.map((sink) => ({
    id: sink.id,
    from: portsOf(sink.from),
    takes: routingOf(sinks.get(sink.id), lanes) === undefined ? (sinks.get(sink.id)?.takes ?? []) : [TABLE],
  }))
  return chooseBodies({ sources, sinks: questions, decoded })
}

function undecodableFindings(
  undecodable: readonly { readonly source: string; readonly reader: string }[],
  sources: ReadonlyMap<string, SourceDescription>,
): Finding[] {
  return undecodable.map(({ source, reader }) => {
    const format = sources.get(source)?.format ?? 'raw'
    const hint = 'choose a format with columns, such as json'
    return configError(
      `${JSON.stringify(reader)} needs columns, and ${JSON.stringify(source)} gives ${format} records`,
      ['sources', source],
      hint,
    )
  })
}

/** Sources without a schema whose records a sink cannot take as they are. */
function undescribedFindings(draft: Draft, bodies: BodyChoice, graph: Graph, flow: Flow): Finding[] {
  return draft.sinks.flatMap((sink) =>
    sink.from.flatMap((name) => {
      const given = bodies.gives.get(name)
      const taken = bodies.takes.get(sink.id)
      const isDirect = given !== undefined && taken !== undefined && isSameBody(given, taken)
      const isUndescribed = graph.ports.get(name)?.kind === 'source' && flow.schemas.get(name) === undefined
      return isUndescribed && !isDirect ? [needsSchema(name, sink.id)] : []
    }),
  )
}
