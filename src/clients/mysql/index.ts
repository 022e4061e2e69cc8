/** MySQL, MariaDB and TiDB: connections with exact values and typed errors. */
export {
  MysqlConnection,
  type MysqlAddress,
  type MysqlCell,
  type MysqlResult,
  type MysqlServer,
  type MysqlSession,
} from './connection.ts'
export { mysqlErrorNumber } from './errors.ts'
export { MysqlPool } from './pool.ts'
export { MysqlRows } from './rows.ts'
export { quoteMysqlName, quoteMysqlText } from './quote.ts'
