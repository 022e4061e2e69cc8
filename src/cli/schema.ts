import { CONNECTOR_NAMES, loadConnector } from '../connectors/registry.ts'
import { pipelineJsonSchema } from '../plan/json-schema.ts'
import type { Verb } from './verb.ts'

export const verb: Verb = {
  examples: [
    'millrace schema > pipeline.schema.json',
    'millrace init clicks   # its first line tells editors where the schema is',
  ],
  async run() {
    const loaded = await Promise.all(CONNECTOR_NAMES.map((name) => loadConnector(name)))
    const schema = pipelineJsonSchema(loaded.filter((connector) => connector !== undefined))
    return { result: schema, text: `${JSON.stringify(schema, undefined, 2)}\n` }
  },
}
