/**
 * Change formats: messages of other systems as rows of tables. A format reads one message at a time out of a buffer and
 * writes JSON rows with `__op`; where no value has to be converted a row's bytes go on as they are.
 */
import { assert } from '../../core/assert.ts'
import type { Schema } from '../../core/schema.ts'
import type { SchemaOf } from '../avro/avro-schemas.ts'
import { DebeziumAvro } from '../avro/debezium-avro.ts'
import { CanalJson } from './canal-json.ts'
import type { ChangeFormat } from './change-format.ts'
import { DebeziumJson } from './debezium-json.ts'
import { MaxwellJson } from './maxwell-json.ts'
import type { ChangeFormatName } from './names.ts'

export { ChangeCollector, type CollectedItem } from './change-collector.ts'
export type { ChangeFormat, ChangeMessage } from './change-format.ts'
export { BadMessage } from './json-members.ts'
export { placesFromJson, placesToJson, SourceOrder, type LogPlace } from './source-order.ts'

export { isChangeFormat, type ChangeFormatName } from './names.ts'

/** `declared` are the columns of the pipeline, where it names them; `schemaOf` asks a registry. */
export function openChangeFormat(
  name: ChangeFormatName,
  declared: Schema | undefined,
  schemaOf: SchemaOf | undefined,
): ChangeFormat {
  switch (name) {
    case 'debezium-json':
      return new DebeziumJson(declared)
    case 'debezium-avro':
      assert(schemaOf !== undefined, 'there is a registry')
      return new DebeziumAvro(schemaOf)
    case 'canal-json':
      return new CanalJson()
    case 'maxwell-json':
      return new MaxwellJson(declared)
  }
}
