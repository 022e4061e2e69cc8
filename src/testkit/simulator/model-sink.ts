import { z } from 'zod'
import type { Connector } from '../../core/connector.ts'
import type { CoordinatorContext, LaneContext } from '../../core/context.ts'
import type { DeliveryClass } from '../../core/delivery.ts'
import type { SinkCoordinator, SinkWriter } from '../../core/sink.ts'

/** A model sink as a connector module: its server is the one of the world that the calling process lives in. */
export function modelSink(family: {
  readonly name: string
  readonly delivery: DeliveryClass
  writer(context: LaneContext): SinkWriter
  coordinator(context: CoordinatorContext): SinkCoordinator
}): Connector {
  const { name, delivery, writer, coordinator } = family
  return {
    name,
    summary: `A model of the ${name} family`,
    sink: {
      options: z.strictObject({}),
      describe: () => ({
        delivery: { class: delivery, reason: 'a model', assumptions: [] },
        takes: [{ kind: 'rows' }],
        writers: 'lanes',
        findings: [],
      }),
      create: async () => ({ check: async () => [], writer, coordinator }),
    },
  }
}
