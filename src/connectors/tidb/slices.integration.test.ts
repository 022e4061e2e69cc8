import { sliceSuite } from '../../testkit/slice-suite.ts'
import { makeDatabase } from '../../testkit/slice-tables.ts'
import { tidbSource } from './slices.ts'

/** `npm test` says so where TiDB is not compiled. */
const url = process.env['MILLRACE_TIDB'] ?? ''

if (url !== '') {
  sliceSuite(
    {
      name: 'TiDB',
      open: () => makeDatabase(url),
      serial: 'bigint AUTO_INCREMENT',
      tableOptions: 'AUTO_ID_CACHE 1',
      columnOfText: 'varchar(100)',
      clock: 'datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)',
      begin: 'BEGIN',
      analyze: (table) => `ANALYZE TABLE ${table}`,
    },
    tidbSource,
  )
}
