import type { Connector } from '../../core/connector.ts'
import { postgresSink } from './sink.ts'
import { postgresSource } from './slices.ts'

/** PostgreSQL. */
export const connector: Connector = {
  name: 'postgres',
  summary:
    'Reads PostgreSQL tables slice by slice, along a column whose values rise; writes them by key or as whole checkpoints.',
  source: postgresSource,
  sink: postgresSink,
}
