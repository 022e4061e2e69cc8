import { MillraceError } from '../core/errors.ts'
import type { LookupStep, Plan } from '../plan/plan.ts'
import type { KeyedContext, LaneOperator } from '../transforms/operator.ts'
import { openKeyed, openSource, type ConnectorModules } from './connectors.ts'
import type { LaneServices } from './lane-context.ts'

/** Makes the operator of a lookup: its table is read by a connector, as a source that ends. */
export async function openLookup(
  step: LookupStep,
  plan: Plan,
  modules: ConnectorModules,
  services: LaneServices,
  context: KeyedContext,
): Promise<LaneOperator> {
  const { connector, options, gives, schema } = step.table
  const { createLookupOperator } = await import('../transforms/lookup.ts')
  const lane = services.context(step.id, gives, schema, [])
  const { onDemand } = step
  if (onDemand !== undefined) {
    const { createOnDemandLookupOperator } = await import('../transforms/on-demand-lookup.ts')
    const keys = step.on.map(({ column }) => column)
    const reader = await openKeyed(modules, connector, options, { keys, schema })
    const operator = createOnDemandLookupOperator({ ...step, onDemand }, { ...context, reader })
    await operator.open()
    return operator
  }
  const operator = createLookupOperator(step, {
    ...context,
    stays: (why) => lane.log.warn(`the table of ${step.id} is not read anew, the one of before stays: ${why}`),
    readTable: async (take) => {
      const source = await openSource(modules, connector, options)
      const enumerator = source.enumerator({ ...lane, times: plan.times })
      const reader = source.reader(lane)
      try {
        const splits = await enumerator.discover(new Set(), true)
        const open = new Set(splits.map(({ split }) => split))
        reader.assign(splits)
        const signal = new AbortController().signal
        while (open.size > 0) {
          for (const item of await reader.poll(signal)) {
            if (item.kind === 'split-end') open.delete(item.split)
            else if (item.kind === 'batch') await take(item)
            else if (item.kind === 'schema-change') throw changes(step.id)
          }
        }
      } finally {
        await Promise.allSettled([reader.close(), enumerator.close()])
      }
    },
  })
  await operator.open()
  return operator
}

function changes(id: string): MillraceError {
  return new MillraceError(`the table of ${id} changes its columns while it is read`, { code: 'CONFIG' })
}
