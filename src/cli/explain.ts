import { explainDelivery } from '../plan/explain-delivery.ts'
import { explain, explanationText } from '../plan/explain.ts'
import { deliveryText } from './delivery-text.ts'
import { CONNECTORS, openPipeline } from './pipelines.ts'
import type { Verb } from './verb.ts'

export const verb: Verb = {
  examples: [
    'millrace explain clicks.yaml',
    'millrace explain clicks.yaml --delivery',
    'millrace explain clicks.yaml --json',
  ],
  define(command) {
    command
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .option('--delivery', 'only what it promises: each part, the weakest link, why, and what to change to get more')
  },
  async run({ args: [file = ''], options }) {
    const { planned, findings } = await openPipeline(file, 'leave')
    if (planned === undefined) return { findings }
    if (options['delivery'] === true) {
      const delivery = explainDelivery(planned)
      return { result: delivery, text: deliveryText(delivery), findings }
    }
    const explanation = await explain(planned, CONNECTORS)
    return { result: explanation, text: explanationText(explanation), findings }
  },
}
