import type { Connector } from '../../core/connector.ts'
import { tidbSource } from './slices.ts'

/** TiDB. */
export const connector: Connector = {
  name: 'tidb',
  summary: 'Reads TiDB tables slice by slice, along a column whose values rise.',
  source: tidbSource,
}
