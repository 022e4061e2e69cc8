import { assert } from '../core/assert.ts'
import type { SinkWriter } from '../core/sink.ts'
import type { Edge, Plan, SinkStep, Step } from '../plan/plan.ts'
import { linedUpSteps } from '../plan/lined-up.ts'
import { stagesOf } from '../plan/stages.ts'
import { keyGroupsOf } from '../dataplane/key-groups.ts'
import type { KeyedContext, LaneOperator } from '../transforms/operator.ts'
import { Diverter, type TakeTableRows } from './diverter.ts'
import { openSink, openSource, type ConnectorModules } from './connectors.ts'
import { openExchange, type ExchangeEnds } from './exchange/open-exchange.ts'
import type { LaneServices } from './lane-context.ts'
import type { LaneSteps } from './lane.ts'
import { blamed, LetterBox } from './letter-box.ts'
import { openLookup } from './open-lookup.ts'
import type { LaneData, SharedSink } from './messages.ts'
import { HostedWriter, RemoteWriter } from './shared-writer.ts'
import { LaneEventTime } from './event-time/lane-event-time.ts'
import { SourceTask } from './source-task.ts'
import { StateChain } from './state/state-chain.ts'
import { Stage, type StageSteps } from './stage.ts'
import type { Tap } from './tap.ts'

export interface LaneEnds {
  readonly tap: Tap
  /** Told of errors that no call of the lane hears of. */
  failed(error: unknown): void
}

type Built = {
  readonly [K in Exclude<keyof StageSteps, 'letters'>]: StageSteps[K] extends ReadonlyMap<string, infer T>
    ? Map<string, T>
    : never
}

/** Makes this lane's readers, operators, exchanges and writers from the plan. */
export async function openLaneSteps(data: LaneData, services: LaneServices, ends: LaneEnds): Promise<LaneSteps> {
  const { plan, connectors: modules, shared } = data
  const sources = new Map<string, LaneSteps['sources'] extends ReadonlyMap<string, infer T> ? T : never>()
  const spreaders = new Map<string, NonNullable<ExchangeEnds['spreader']>>()
  const stageOf = stagesOf(plan.steps)
  const box = LetterBox.of(plan)
  const letters = box && { box, linedUp: linedUpSteps(plan.steps) }
  const eventTime = new LaneEventTime(eventTimeSteps(plan.steps))
  const stages = Array.from({ length: Math.max(...stageOf.values()) + 1 }, emptyStage)
  for (const step of plan.steps) {
    const at = stageOf.get(step.id) ?? 0
    const stage = stageAt(stages, at)
    switch (step.kind) {
      case 'source': {
        const source = await openSource(modules, step.connector, step.options)
        const { id, gives, schema, metadata, reads, prune, tables = false } = step
        const takesBroken = plan.deadLetters?.[id] !== undefined
        const keepsRaw = plan.deadLetters !== undefined
        const queries = new Set(plan.steps.filter(({ kind }) => kind === 'query').map((one) => one.id))
        const isForSql = step.outputs.every(({ to }) => queries.has(to))
        const more = { reads, prune, tables, takesBroken, keepsRaw, isForSql }
        const reader = source.reader(services.context(id, gives, schema, metadata, more))
        sources.set(step.id, {
          task: new SourceTask(step.id, reader, services.clock),
          edges: step.outputs,
          rebalance: step.rebalance === true,
        })
        break
      }
      case 'query':
      case 'module':
      case 'explode': {
        const operator = await openOperator(step, plan, services, eventTime)
        const part = step.kind === 'query' ? step.deadLetter : step.id
        stage.operators.set(step.id, { operator, outputs: outputsOf(step), part })
        break
      }
      case 'letters':
        break
      case 'lookup': {
        const context = contextOf(plan, services, eventTime)
        const operator = await openLookup(step, plan, modules, services, context)
        stage.operators.set(step.id, { operator, outputs: [step.outputs], part: step.id })
        break
      }
      case 'partial':
      case 'intake':
      case 'deduplicate':
      case 'join-intake':
      case 'join':
      case 'aggregate': {
        const operator = await openOperator(step, plan, services, eventTime)
        const outputs = outputsOf(step)
        const chain = openChain(step.id, operator, data, services)
        stage.operators.set(step.id, { operator, outputs, timeOf: step.work.id, ...(chain && { chain }) })
        break
      }
      case 'exchange': {
        const { sender, receiver, spreader } = await openExchange(step, exchangeServices(data, step.id, services, ends))
        stage.senders.set(step.id, sender)
        stageAt(stages, at + 1).receivers.set(step.id, { receiver, edges: step.outputs })
        if (spreader !== undefined) spreaders.set(step.id, spreader)
        break
      }
      case 'sink': {
        stage.writers.set(step.id, await openWriter(step, modules, services, shared, ends.failed))
        break
      }
    }
  }
  const cutTable: LaneSteps['cutTable'] = async (batch, from, to) => {
    const { tablePart } = await import('../dataplane/table-part.ts')
    return await tablePart(await services.database(), batch, from, to)
  }
  const takeTableRows: TakeTableRows = async (batch, rows) => {
    const { tableWithout } = await import('../dataplane/table-part.ts')
    return await tableWithout(await services.database(), batch, rows)
  }
  return {
    sources,
    stages: stages.map((steps) => new Stage({ ...steps, letters }, ends.tap)),
    spreaders,
    eventTime,
    cutTable,
    ...(box && { letters: { box, sinks: letterSinks(plan.steps), diverter: new Diverter(box, takeTableRows) } }),
  }
}

function letterSinks(steps: readonly Step[]): ReadonlySet<string> {
  return new Set(steps.flatMap((step) => (step.kind === 'letters' ? [step.sink] : [])))
}

function emptyStage(): Built {
  return { operators: new Map(), writers: new Map(), senders: new Map(), receivers: new Map() }
}

function stageAt(stages: readonly Built[], at: number): Built {
  const stage = stages[at]
  assert(stage !== undefined, `there is a stage ${at}`)
  return stage
}

function outputsOf(step: OperatorStep): readonly (readonly Edge[])[] {
  if (step.kind === 'query') return step.outputs.map((output) => output.edges)
  if (step.kind === 'join') return [step.outputs, step.unmatchedLeft, step.unmatchedRight]
  return 'late' in step ? [step.outputs, step.late] : [step.outputs]
}

type OperatorStep = Step & {
  kind: 'query' | 'module' | 'explode' | 'partial' | 'aggregate' | 'intake' | 'deduplicate' | 'join-intake' | 'join'
}

async function openOperator(
  step: OperatorStep,
  plan: Plan,
  services: LaneServices,
  eventTime: LaneEventTime,
): Promise<LaneOperator> {
  const operator = await createOperator(step, contextOf(plan, services, eventTime))
  await operator.open()
  return operator
}

function contextOf(plan: Plan, services: LaneServices, eventTime: LaneEventTime): KeyedContext {
  return {
    baseDirectory: plan.baseDirectory,
    database: () => services.database(),
    now: () => services.clock.now(),
    sawEventTime: (of, micros) => eventTime.saw(of, micros),
  }
}

async function createOperator(step: OperatorStep, context: KeyedContext): Promise<LaneOperator> {
  switch (step.kind) {
    case 'query':
      return (await import('../transforms/query.ts')).createQueryOperator(step, context)
    case 'module':
      return (await import('../transforms/module.ts')).createModuleOperator(step, context)
    case 'explode':
      return (await import('../transforms/explode.ts')).createExplodeOperator(step, context)
    case 'partial':
      return (await import('../transforms/aggregate/partial.ts')).createPartialOperator(step.work, context)
    case 'intake':
      return (await import('../transforms/deduplicate/intake.ts')).createIntakeOperator(step.work, context)
    case 'deduplicate':
      return (await import('../transforms/deduplicate/deduplicate.ts')).createDeduplicateOperator(step.work, context)
    case 'join-intake':
      return (await import('../transforms/join/join-intake.ts')).createJoinIntakeOperator(step, context)
    case 'join':
      return (await import('../transforms/join/join.ts')).createJoinOperator(step.work, context)
    case 'aggregate':
      return (await import('../transforms/aggregate/aggregate.ts')).createAggregateOperator(step.work, context)
  }
}

function openChain(
  step: string,
  { state }: LaneOperator,
  { lane, lanes }: LaneData,
  services: LaneServices,
): StateChain | undefined {
  if (state === undefined) return undefined
  return new StateChain({ step, lane, groups: keyGroupsOf(lane, lanes), state, store: () => services.stateStore() })
}

function eventTimeSteps(steps: readonly Step[]): ConstructorParameters<typeof LaneEventTime>[0] {
  const told = new Set<string>()
  return steps.flatMap((step) => {
    // Both sides of a join go by one event time.
    if (!('late' in step) || told.has(step.work.id) || step.work.time === undefined) return []
    told.add(step.work.id)
    const { delay, idleMs } = step.work.time
    return [{ step: step.work.id, sources: step.sources, delay: BigInt(delay), idleMs }]
  })
}

function exchangeServices(
  { lane, lanes, exchanges }: LaneData,
  id: string,
  services: LaneServices,
  { failed }: LaneEnds,
): Parameters<typeof openExchange>[1] {
  const links = exchanges.find(({ exchange }) => exchange === id)
  assert(links !== undefined, `the lanes are linked for ${id}`)
  return { lane, lanes, links, clock: services.clock, database: () => services.database(), failed }
}

async function openWriter(
  step: SinkStep,
  modules: ConnectorModules,
  services: LaneServices,
  shared: readonly SharedSink[],
  failed: (error: unknown) => void,
): Promise<SinkWriter> {
  const link = shared.find((one) => one.sink === step.id)
  const [port] = link?.ports ?? []
  if (link?.role === 'remote' && port !== undefined) return new RemoteWriter(port)
  const sink = await openSink(modules, step.connector, step.options)
  const writer = sink.writer(services.context(step.id, step.takes, step.schema, [], { tables: step.tables === true }))
  return link === undefined ? writer : new HostedWriter(writer, link.ports, (error) => failed(blamed(step.id, error)))
}
