import type { Connector } from '../../core/connector.ts'
import { tidbSink } from './sink.ts'
import { tidbSource } from './slices.ts'

/** TiDB. */
export const connector: Connector = {
  name: 'tidb',
  summary:
    'Reads TiDB tables slice by slice, along a column whose values rise; writes them by key or as whole checkpoints.',
  source: tidbSource,
  sink: tidbSink,
}
