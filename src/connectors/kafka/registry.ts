import { SchemaRegistry } from '../../clients/schema-registry/index.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { AvroJson } from '../../formats/avro/avro-json.ts'
import type { SchemaOf } from '../../formats/avro/avro-schemas.ts'
import type { KafkaSourceOptions } from './options.ts'

/** Asks the registry of the options for Avro schemas. */
export function openRegistry({ registry }: KafkaSourceOptions): SchemaOf {
  if (registry === undefined) throw new MillraceError('the format needs a `registry`', { code: 'CONFIG' })
  const client = new SchemaRegistry(registry)
  return async (id) => {
    const { type, schema } = await client.schema(id)
    if (type === 'AVRO') return schema
    throw new MillraceError(`the schema ${id} of the registry is ${type}, and the format says Avro`, { code: 'DECODE' })
  }
}

/** Columns of a topic, from the newest schema of its values. */
export async function registeredColumns({ registry, topics }: KafkaSourceOptions): Promise<Schema | undefined> {
  const [topic] = topics ?? []
  if (registry === undefined || topic === undefined) return undefined
  const { schema } = await new SchemaRegistry(registry).latest(`${topic}-value`)
  return new AvroJson(schema).columns()
}
