import type { Connector } from '../../core/connector.ts'
import { postgresSource } from './slices.ts'

/** PostgreSQL. */
export const connector: Connector = {
  name: 'postgres',
  summary: 'Reads PostgreSQL tables slice by slice, along a column whose values rise.',
  source: postgresSource,
}
