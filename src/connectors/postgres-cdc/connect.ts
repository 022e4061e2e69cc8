import { parsePgAddress, PgConnection, type PgConnectionOptions } from '../../clients/postgres-replication/index.ts'
import type { PostgresCdcOptions } from './options.ts'

export function connectionOptions(options: PostgresCdcOptions, applicationName: string): PgConnectionOptions {
  return {
    address: parsePgAddress(options.url),
    username: options.username,
    password: options.password,
    ca: options.ca,
    isReplication: false,
    applicationName,
  }
}

/** A connection for plain statements. */
export function connect(options: PostgresCdcOptions, applicationName: string): Promise<PgConnection> {
  return PgConnection.open(connectionOptions(options, applicationName))
}
