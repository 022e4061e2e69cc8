import type { Connector } from '../../core/connector.ts'
import { mysqlSink } from './sink.ts'
import { mysqlSource } from './slices.ts'

/** MySQL and MariaDB. */
export const connector: Connector = {
  name: 'mysql',
  summary:
    'Reads MySQL and MariaDB tables slice by slice, along a column whose values rise; writes them by key or as whole checkpoints.',
  source: mysqlSource,
  sink: mysqlSink,
}
