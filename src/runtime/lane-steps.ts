import type { SinkWriter } from '../core/sink.ts'
import type { SinkStep } from '../plan/plan.ts'
import type { LaneOperator } from '../transforms/operator.ts'
import { openSink, openSource, type ConnectorModules } from './connectors.ts'
import type { LaneServices } from './lane-context.ts'
import type { LaneSteps } from './lane.ts'
import type { LaneData, SharedSink } from './messages.ts'
import { HostedWriter, RemoteWriter } from './shared-writer.ts'
import { SourceTask } from './source-task.ts'

/** Makes this lane's readers, operators and writers from the plan. */
export async function openLaneSteps(
  { plan, connectors: modules, shared }: LaneData,
  services: LaneServices,
  failed: (error: unknown) => void,
): Promise<LaneSteps> {
  const sources = new Map<string, LaneSteps['sources'] extends ReadonlyMap<string, infer T> ? T : never>()
  const operators = new Map<string, { operator: LaneOperator; outputs: readonly (readonly { to: string }[])[] }>()
  const writers = new Map<string, SinkWriter>()
  for (const step of plan.steps) {
    switch (step.kind) {
      case 'source': {
        const source = await openSource(modules, step.connector, step.options)
        const reader = source.reader(services.context(step.id, step.gives, step.schema, step.metadata))
        sources.set(step.id, { task: new SourceTask(step.id, reader), edges: step.outputs })
        break
      }
      case 'query': {
        const { createQueryOperator } = await import('../transforms/query.ts')
        const operator = createQueryOperator(step, {
          baseDirectory: plan.baseDirectory,
          database: () => services.database(),
        })
        await operator.open()
        operators.set(step.id, { operator, outputs: step.outputs.map((output) => output.edges) })
        break
      }
      case 'module': {
        const { createModuleOperator } = await import('../transforms/module.ts')
        const operator = createModuleOperator(step, {
          baseDirectory: plan.baseDirectory,
          database: () => services.database(),
        })
        await operator.open()
        operators.set(step.id, { operator, outputs: [step.outputs] })
        break
      }
      case 'sink': {
        writers.set(step.id, await openWriter(step, modules, services, shared, failed))
        break
      }
    }
  }
  return { sources, operators, writers }
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
  const writer = sink.writer(services.context(step.id, step.takes, step.schema, []))
  return link === undefined ? writer : new HostedWriter(writer, link.ports, failed)
}
