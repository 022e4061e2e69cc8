import { SchemaRegistry, type SchemaType } from '../../clients/schema-registry/index.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SchemaOf } from '../../formats/avro/avro-schemas.ts'
import type { KafkaSourceOptions } from './options.ts'

/** Asks the registry of the options for schemas of one type. */
export function openRegistry({ registry }: KafkaSourceOptions, wanted: SchemaType): SchemaOf {
  if (registry === undefined) throw new MillraceError('the format needs a `registry`', { code: 'CONFIG' })
  const client = new SchemaRegistry(registry)
  return async (id) => textOf(await client.schema(id), wanted, `the schema ${id}`)
}

/** The newest schema of a topic's values. */
export async function newestSchema({ registry, topics }: KafkaSourceOptions, wanted: SchemaType): Promise<string> {
  const [topic] = topics ?? []
  if (registry === undefined) throw new MillraceError('the format needs a `registry`', { code: 'CONFIG' })
  const subject = `${topic}-value`
  return textOf(await new SchemaRegistry(registry).latest(subject), wanted, `the newest schema of ${subject}`)
}

function textOf(
  { type, schema }: { readonly type: string; readonly schema: string },
  wanted: SchemaType,
  what: string,
): string {
  if (type === wanted) return schema
  throw new MillraceError(`${what} in the registry is ${type}, and the format says ${wanted}`, { code: 'DECODE' })
}
