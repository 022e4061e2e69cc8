import type { Json } from '../core/json.ts'
import { explain, explanationText } from '../plan/explain.ts'
import { CONNECTORS, openPipeline } from './pipelines.ts'
import type { Verb } from './verb.ts'

export const verb: Verb = {
  examples: ['millrace explain clicks.yaml', 'millrace explain clicks.yaml --json'],
  define: (command) => void command.argument('<file>', 'pipeline file (.yaml, .json, .ts)'),
  async run({ args: [file = ''] }) {
    const { planned, findings } = await openPipeline(file, 'leave')
    if (planned === undefined) return { findings }
    const explanation = await explain(planned, CONNECTORS)
    return { result: explanation as unknown as Json, text: explanationText(explanation), findings }
  },
}
