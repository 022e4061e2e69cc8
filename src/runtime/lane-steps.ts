import type { SinkWriter } from '../core/sink.ts'
import type { Plan } from '../plan/plan.ts'
import type { LaneOperator } from '../transforms/operator.ts'
import { openSink, openSource, type ConnectorModules } from './connectors.ts'
import type { LaneServices } from './lane-context.ts'
import type { LaneSteps } from './lane.ts'
import { SourceTask } from './source-task.ts'

/** Makes this lane's readers, operators and writers from the plan. */
export async function openLaneSteps(plan: Plan, modules: ConnectorModules, services: LaneServices): Promise<LaneSteps> {
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
        const sink = await openSink(modules, step.connector, step.options)
        writers.set(step.id, sink.writer(services.context(step.id, step.takes, step.schema, [])))
        break
      }
    }
  }
  return { sources, operators, writers }
}
