import { after } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { keyedRowsCases } from '../../testkit/keyed-rows-cases.ts'
import { mysqlSource } from './slices.ts'

for (const name of ['mariadb', 'mysql'] as const) {
  const server = await useDatabase(name)
  after(() => server[Symbol.asyncDispose]())
  keyedRowsCases(name, server.url, mysqlSource, 'bigint unsigned')
}
