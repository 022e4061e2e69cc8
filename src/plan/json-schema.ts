import type { ZodType } from 'zod'
import type { Connector } from '../core/connector.ts'
import type { JsonObject } from '../core/json.ts'
import { pipelineSchema, sinkFrame, sourceFrame, transformSchemas } from './definition.ts'
import { inputSchema, objectOf, type JsonSchema } from './option-schema.ts'

/** The JSON Schema of a whole pipeline file, with the options of these connectors, so that editors complete and check. */
export function pipelineJsonSchema(connectors: readonly Connector[]): JsonObject {
  const pipeline = inputSchema(pipelineSchema)
  const sources = connectors.flatMap(({ name, summary, source }) =>
    source ? [component(name, summary, source.options, sourceFrame)] : [],
  )
  const sinks = connectors.flatMap(({ name, summary, sink }) =>
    sink ? [component(name, summary, sink.options, sinkFrame)] : [],
  )
  const transforms = Object.values(transformSchemas).map((schema: ZodType) => inputSchema(schema))
  const properties = objectOf(pipeline['properties'])
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Millrace pipeline',
    ...pipeline,
    properties: {
      ...properties,
      sources: byId(objectOf(properties['sources']), oneOfConnectors(sources)),
      transforms: byId(objectOf(properties['transforms']), { anyOf: transforms }),
      sinks: byId(objectOf(properties['sinks']), oneOfConnectors(sinks)),
    },
  }
}

function byId(record: JsonSchema, component: JsonSchema): JsonSchema {
  return { ...record, additionalProperties: component }
}

/** The connector's name decides which options there are: editors then report that connector's mistakes only. */
function oneOfConnectors(components: readonly (readonly [name: string, schema: JsonSchema])[]): JsonSchema {
  return {
    type: 'object',
    properties: { connector: { enum: components.map(([name]) => name) } },
    required: ['connector'],
    allOf: components.map(([name, schema]) => whenConnector(name, schema)),
  }
}

/** JSON Schema's `if` and `then`; made from pairs, because an object with `then` looks like a promise to tools. */
function whenConnector(name: string, schema: JsonSchema): JsonSchema {
  const rule = new Map<string, JsonSchema>()
  rule.set('if', { properties: { connector: { const: name } }, required: ['connector'] })
  rule.set('then', schema)
  return Object.fromEntries(rule)
}

/** Options of a connector together with the keys that every component has. */
function component(name: string, summary: string, options: ZodType, frame: ZodType): readonly [string, JsonSchema] {
  const own = inputSchema(options)
  const common = inputSchema(frame)
  const required = [common, own].flatMap((schema) => (schema['required'] ?? []) as readonly string[])
  const schema: JsonSchema = {
    ...own,
    description: summary,
    type: 'object',
    properties: {
      ...objectOf(own['properties']),
      ...objectOf(common['properties']),
      connector: { const: name, description: summary },
    },
    required: [...new Set(required)],
  }
  return [name, schema]
}
